import { settleCancelled } from "../../sdk/task/calls.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import { ProviderError } from "../errors.ts";
import type { StepFunction } from "./parts/StepContext.ts";

/** Ends a running task at the part of the fee that its user consented to. */
export const settle: StepFunction = async ({ client, submitter }, { id, job }, signal) => {
  if (!job.settlement) throw withoutConsent();
  const { amount, deadline, signature } = job.settlement;
  const submission = {
    id,
    step: "settle" as const,
    call: settleCancelled(client, { id, amount: BigInt(amount), deadline, signature }),
    isDone: async () => (await getTask(client, { id })).state !== "Accepted",
  };
  await submitter.submit(submission, signal);
  return {};
};

function withoutConsent(): ProviderError {
  return new ProviderError("The user's consent has expired.", {
    retryable: true,
    hint: "The task goes on.",
  });
}
