import { failTask } from "../../sdk/task/calls.ts";
import type { StepFunction } from "./parts/StepContext.ts";
import { sendStep } from "./parts/sendStep.ts";

/** Fails an accepted task with its reason: fee and bond are released. Sends nothing in any other state. */
export const fail: StepFunction = async (context, { id, job }, signal) => {
  const call = failTask(context.client, { id, reason: job.failure?.reason ?? "Unspecified" });
  return sendStep(context, { id, step: "fail", from: "Accepted", call }, signal);
};
