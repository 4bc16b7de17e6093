import { failTask } from "../../sdk/task/calls.ts";
import type { StepFunction } from "./parts/StepContext.ts";
import { sendStep } from "./parts/sendStep.ts";

/** Fails an accepted task with its reason, at a cost that grows with the time. Sends nothing in any other state. */
export const fail: StepFunction = async (context, { id, job }, signal) => {
  const call = failTask(context.client, { id, reason: job.failure?.reason ?? "Unspecified" });
  return sendStep(context, { id, step: "fail", from: "Accepted", call }, signal);
};
