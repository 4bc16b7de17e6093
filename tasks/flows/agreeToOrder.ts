import { getLockPeriod } from "../../sdk/account/getLockPeriod.ts";
import { prepareFunds } from "../../sdk/account/prepareFunds.ts";
import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { requireAccepting } from "../../sdk/order/verifyForOrder.ts";
import { isBusy, type Queue } from "../../sdk/service/fetchQueue.ts";
import type { OfferedModel } from "../../sdk/service/OfferedModel.ts";
import type { Quote } from "../../sdk/task/quote.ts";
import { formatOg } from "../../sdk/units.ts";
import { formatDuration } from "../terminal/formatDuration.ts";
import { showQuote } from "../terminal/showQuote.ts";
import type { Terminal } from "../terminal/Terminal.ts";

interface Offered extends OfferedModel {
  readonly queue: Queue;
  readonly offer: Quote;
}

/**
 * Shows the quote, and stops before anything is uploaded or paid if the order cannot succeed: the provider accepts no
 * tasks, there is too little money, or the user does not agree.
 */
export async function agreeToOrder(
  client: Client,
  { service, model, queue, offer }: Offered,
  { yes, dryRun }: { readonly yes: boolean; readonly dryRun: boolean },
  terminal: Terminal,
): Promise<void> {
  const [lockPeriod, funds] = await Promise.all([
    getLockPeriod(client),
    prepareFunds(client, { provider: service.provider, amount: offer.fee }).catch(asReason),
  ]);
  showQuote(terminal, { service, model, offer, lockPeriod });
  requireAccepting(service);
  if (funds instanceof ProtocolError) throw funds;
  if (!yes && !dryRun) await askToPay(terminal, offer, queue);
}

/** The quote is shown before the reason why it cannot be paid. */
function asReason(error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error;
  throw error;
}

async function askToPay(terminal: Terminal, { fee }: Quote, queue: Queue): Promise<void> {
  const price = `for ${formatOg(fee)} OG`;
  const question = isBusy(queue)
    ? `${describeLoad(queue)} Add your task to the waiting queue ${price}?`
    : `Create the task ${price}?`;
  if (await terminal.confirm(question)) return;
  throw new ProtocolError("declined", "No task was created.", "Nothing was uploaded or paid.");
}

function describeLoad({ running, waiting, waitSeconds }: Queue): string {
  const busy = `Provider busy: ${running} running, ${waiting} waiting.`;
  return waitSeconds === null
    ? busy
    : `${busy} Your task would start in about ${formatDuration(waitSeconds)}.`;
}
