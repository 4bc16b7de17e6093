import { failTask } from "../../sdk/task/calls.ts";
import type { StepFunction } from "./parts/StepContext.ts";
import { sendStep } from "./parts/sendStep.ts";

/** Gives an accepted task up with the reason that was found: fee and bond go back. Nothing is sent for any other. */
export const fail: StepFunction = async (context, { id, job }, signal) => {
  const call = failTask(context.client, { id, reason: job.failure?.reason ?? "Unspecified" });
  return sendStep(context, { id, step: "fail", from: "Accepted", call }, signal);
};
