import { hexlify } from "ethers";
import { deliver as deliverCall } from "../../sdk/deliverable/calls.ts";
import { keyCommit } from "../../sdk/exchange/segmentKey.ts";
import type { Root } from "../../sdk/ids.ts";
import type { JobRecord } from "../store/Store.ts";
import { readDeliverableKey } from "./parts/deliverableKey.ts";
import { requireFacts } from "./parts/requireFacts.ts";
import type { StepFunction } from "./parts/StepContext.ts";
import { sendStep } from "./parts/sendStep.ts";
import { taskWork } from "./parts/taskWork.ts";

/** Posts the deliverable on chain, with the fee for the work that was done. */
export const deliver: StepFunction = async (context, record, signal) => {
  const { id } = record;
  const found = requireFacts(record.facts, "size", "root", "contentRoot", "receiptRoot");
  const { size, contentRoot, receiptRoot } = found;
  const root = found.root as Root;
  const key = hexlify(keyCommit(readDeliverableKey(context, id)));
  const fee = earnedFee(record);
  const delivery = { id, size, fee, root, contentRoot, keyCommit: key, receiptRoot };
  const call = deliverCall(context.client, { delivery });
  return sendStep(context, { id, step: "deliver", from: "Accepted", call }, signal);
};

/** The contract charged the order's units, all at one price; less work is charged less. */
function earnedFee(record: JobRecord): bigint {
  const { order, fee } = record;
  const { units } = taskWork(record);
  return units < order.units ? (fee / order.units) * units : fee;
}
