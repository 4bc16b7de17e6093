import { failTask } from "../../sdk/task/calls.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import type { StepFunction } from "./parts/StepContext.ts";

/** Gives an accepted task up with the reason that was found: fee and bond go back. Nothing is sent for any other. */
export const fail: StepFunction = async ({ client, submitter }, { id, job }, signal) => {
  const submission = {
    id,
    step: "fail" as const,
    call: failTask(client, { id, reason: job.failure?.reason ?? "Unspecified" }),
    isDone: async () => (await getTask(client, { id })).state !== "Accepted",
  };
  await submitter.submit(submission, signal);
  return {};
};
