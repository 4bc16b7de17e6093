import { finalize as finalizeCall } from "../../sdk/deliverable/calls.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import type { StepFunction } from "./parts/StepContext.ts";

/** Collects the fee after the dispute period, where the user has not confirmed. */
export const finalize: StepFunction = async ({ client, submitter }, { id }, signal) => {
  const submission = {
    id,
    step: "finalize" as const,
    call: finalizeCall(client, { ids: [id] }),
    isDone: async () => (await getTask(client, { id })).state !== "Revealed",
  };
  await submitter.submit(submission, signal);
  return {};
};
