import { reveal as revealCall } from "../../sdk/deliverable/calls.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import { latestBlock } from "../../sdk/transaction/latestBlock.ts";
import { ProviderError } from "../errors.ts";
import { findReveal } from "./parts/deliverableKey.ts";
import type { StepFunction } from "./parts/StepContext.ts";
import { sendStep } from "./parts/sendStep.ts";

/**
 * Seconds before the reveal deadline in which the key is no longer sent: everybody sees it in the transaction, and if
 * that came too late the user would have the model and the money.
 */
const MARGIN = 30;

/** Publishes the key, once the acknowledgement can no longer vanish. */
export const reveal: StepFunction = async (context, record, signal) => {
  const { client, store } = context;
  const { id, order } = record;
  const { deadline, exchange } = await getTask(client, { id });
  if (!store.hasEvent(id, "TaskAcknowledged")) throw notConfirmedError();
  const requireTime = async () => {
    if ((await latestBlock(client)).timestamp > deadline - MARGIN) throw tooLateError();
  };
  await requireTime();
  const { key, contentRoot } = await findReveal(context, record, exchange);
  const call = revealCall(client, { id, key, blindRoot: order.blindRoot, contentRoot });
  const sent = { id, step: "reveal", from: "Acknowledged", call, requireTime } as const;
  return sendStep(context, sent, signal);
};

function notConfirmedError(): ProviderError {
  return new ProviderError("The acknowledgement has not enough confirmations yet.", {
    retryable: true,
    hint: "The key is revealed as soon as it has.",
  });
}

function tooLateError(): ProviderError {
  return new ProviderError("It is too late to reveal the key safely.", {
    retryable: true,
    hint: "The task will expire; see in the log why the key was not revealed earlier.",
  });
}
