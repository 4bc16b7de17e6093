import { hexlify } from "ethers";
import { deliver as deliverCall } from "../../sdk/deliverable/calls.ts";
import { keyCommit } from "../../sdk/exchange/segmentKey.ts";
import type { Root } from "../../sdk/ids.ts";
import { readDeliverableKey } from "./parts/deliverableKey.ts";
import { requireFacts } from "./parts/requireFacts.ts";
import type { StepFunction } from "./parts/StepContext.ts";
import { sendStep } from "./parts/sendStep.ts";

/** Posts the deliverable on chain. */
export const deliver: StepFunction = async (context, { id, fee, facts }, signal) => {
  const found = requireFacts(facts, "size", "root", "contentRoot", "receiptRoot");
  const { size, contentRoot, receiptRoot } = found;
  const root = found.root as Root;
  const key = hexlify(keyCommit(readDeliverableKey(context, id)));
  const delivery = { id, size, fee, root, contentRoot, keyCommit: key, receiptRoot };
  const call = deliverCall(context.client, { delivery });
  return sendStep(context, { id, step: "deliver", from: "Accepted", call }, signal);
};
