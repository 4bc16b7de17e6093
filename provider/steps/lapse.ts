import { lapse as lapseCall } from "../../sdk/deliverable/calls.ts";
import type { StepFunction } from "./parts/StepContext.ts";
import { sendStep } from "./parts/sendStep.ts";

/** Ends a delivered task that its user did not acknowledge in time; the agreed share of the fee is due. */
export const lapse: StepFunction = async (context, { id }, signal) => {
  const call = lapseCall(context.client, { id });
  return sendStep(context, { id, step: "lapse", from: "Delivered", call }, signal);
};
