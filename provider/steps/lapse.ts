import { lapse as lapseCall } from "../../sdk/deliverable/calls.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import type { StepFunction } from "./parts/StepContext.ts";

/** Ends a delivered task that its user never acknowledged; the agreed share of the fee is due. */
export const lapse: StepFunction = async ({ client, submitter }, { id }, signal) => {
  const submission = {
    id,
    step: "lapse" as const,
    call: lapseCall(client, { id }),
    isDone: async () => (await getTask(client, { id })).state !== "Delivered",
  };
  await submitter.submit(submission, signal);
  return {};
};
