import { finalize as finalizeCall } from "../../sdk/deliverable/calls.ts";
import type { StepFunction } from "./parts/StepContext.ts";
import { sendStep } from "./parts/sendStep.ts";

/** Collects the fee after the dispute period, if the user has not confirmed. */
export const finalize: StepFunction = async (context, { id }, signal) => {
  const call = finalizeCall(context.client, { ids: [id] });
  return sendStep(context, { id, step: "finalize", from: "Revealed", call }, signal);
};
