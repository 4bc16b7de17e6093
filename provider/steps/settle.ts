import { settleCancelled } from "../../sdk/task/calls.ts";
import { ProviderError } from "../errors.ts";
import type { StepFunction } from "./parts/StepContext.ts";
import { sendStep } from "./parts/sendStep.ts";

/** Ends a running task for the part of the fee that its user consented to. */
export const settle: StepFunction = async (context, { id, job }, signal) => {
  if (!job.settlement) throw consentExpiredError();
  const { amount, deadline, signature } = job.settlement;
  const consent = { id, amount: BigInt(amount), deadline, signature };
  const call = settleCancelled(context.client, consent);
  return sendStep(context, { id, step: "settle", from: "Accepted", call }, signal);
};

function consentExpiredError(): ProviderError {
  return new ProviderError("The user's consent has expired.", {
    retryable: true,
    hint: "The task continues.",
  });
}
