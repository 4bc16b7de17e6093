import { hexlify } from "ethers";
import { deliver as deliverCall } from "../../sdk/deliverable/calls.ts";
import { keyCommit } from "../../sdk/exchange/segmentKey.ts";
import type { Root } from "../../sdk/ids.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import { readDeliverableKey } from "./parts/deliverableKey.ts";
import type { StepFunction } from "./parts/StepContext.ts";

/** Posts the deliverable on chain. */
export const deliver: StepFunction = async (context, { id, facts }, signal) => {
  const { client, submitter } = context;
  const delivery = {
    id,
    size: facts.size!,
    root: facts.root as Root,
    contentRoot: facts.contentRoot!,
    keyCommit: hexlify(keyCommit(readDeliverableKey(context, id))),
    receiptRoot: facts.receiptRoot!,
  };
  const submission = {
    id,
    step: "deliver" as const,
    call: deliverCall(client, { delivery }),
    isDone: async () => (await getTask(client, { id })).state !== "Accepted",
  };
  await submitter.submit(submission, signal);
  return {};
};
