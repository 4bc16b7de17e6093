import { failTask } from "../../../sdk/task/failTask.ts";
import { getTask } from "../../../sdk/task/getTask.ts";
import type { StepFunction } from "../StepContext.ts";

/** Gives the task up with the reason that was found: fee and bond go back. */
export const fail: StepFunction = async ({ client, submitter }, { id, job }, signal) => {
  const submission = {
    id,
    step: "fail" as const,
    call: failTask(client, { id, reason: job.failure?.reason ?? "Unspecified" }),
    isDone: async () => !["Created", "Accepted"].includes((await getTask(client, { id })).state),
  };
  await submitter.submit(submission, signal);
  return {};
};
