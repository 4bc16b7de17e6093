import { reveal as revealCall } from "../../sdk/deliverable/calls.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import { latestBlock } from "../../sdk/transaction/latestBlock.ts";
import { ProviderError } from "../errors.ts";
import { findReveal } from "./parts/deliverableKey.ts";
import type { StepFunction } from "./parts/StepContext.ts";
import { sendStep } from "./parts/sendStep.ts";

/**
 * Seconds before the reveal deadline in which the key is no longer sent. The transaction makes it public, and if it
 * were mined too late, the user would have both the model and the money.
 */
const MARGIN = 30;

/** Publishes the key once the acknowledgement is confirmed. */
export const reveal: StepFunction = async (context, record, signal) => {
  const { client, store } = context;
  const { id, order } = record;
  const task = await getTask(client, { id });
  const { deadline } = task;
  if (!store.hasEvent(id, "TaskAcknowledged")) throw notConfirmedError();
  const requireTime = async () => {
    if ((await latestBlock(client)).timestamp > deadline - MARGIN) throw tooLateError();
  };
  await requireTime();
  const { key, contentRoot } = await findReveal(context, record, task);
  const call = revealCall(client, { id, key, blindRoot: order.blindRoot, contentRoot });
  const sent = { id, step: "reveal", from: "Acknowledged", call, requireTime } as const;
  return sendStep(context, sent, signal);
};

function notConfirmedError(): ProviderError {
  return new ProviderError("The acknowledgement does not have enough confirmations yet.", {
    retryable: true,
    hint: "The key will be revealed once it does.",
  });
}

function tooLateError(): ProviderError {
  return new ProviderError("It is too late to reveal the key safely.", {
    retryable: true,
    hint: "The task will expire; check the log for why the key was not revealed earlier.",
  });
}
