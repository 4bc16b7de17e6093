import { getAccount } from "../../sdk/account/getAccount.ts";
import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import type { Queue } from "../../sdk/service/fetchQueue.ts";
import type { Service } from "../../sdk/service/Service.ts";
import type { Quote } from "../../sdk/task/quote.ts";
import { formatOg } from "../../sdk/units.ts";
import type { Environment } from "../Environment.ts";
import { shortOg } from "../terminal/shortOg.ts";
import { showQuote } from "../terminal/showQuote.ts";
import type { Terminal } from "../terminal/Terminal.ts";

interface Offered {
  readonly service: Service;
  readonly queue: Queue;
  readonly offer: Quote;
}

/**
 * Shows the quote, and stops before anything is uploaded or paid if the order cannot succeed: the provider accepts no
 * tasks, there is too little money, or the user does not want to queue.
 */
export async function agreeToOrder(
  client: Client & { readonly address: string },
  { service, queue, offer }: Offered,
  { yes, dryRun }: { readonly yes: boolean; readonly dryRun: boolean },
  terminal: Terminal,
  environment: Environment,
): Promise<void> {
  showQuote(terminal, service, offer);
  if (!service.accepting) throw notAcceptingError(service.provider);
  await checkFunds(client, service.provider, offer.fee, environment);
  if (!yes && !dryRun) await agreeToWait(terminal, queue);
}

/** The Ledger takes the fee from the sub-account first, including amounts being returned, then from the account. */
async function checkFunds(
  client: Client & { readonly address: string },
  provider: string,
  fee: bigint,
  environment: Environment,
): Promise<void> {
  const account = await getAccount(client, { account: client.address });
  const subAccount = account.subAccounts.find((entry) => entry.provider === provider);
  const available =
    account.available + (subAccount ? subAccount.balance - subAccount.reserved : 0n);
  if (available >= fee) return;
  const missing = shortOg(fee - available);
  const [problem, command] =
    account.total === 0n
      ? ["This wallet has no account with money", "add-account"]
      : ["Insufficient balance", "deposit"];
  throw new ProtocolError(
    "insufficient-funds",
    `${problem}: ${formatOg(available)} OG are available and ${formatOg(fee)} OG are needed.`,
    `Add funds: ${environment.command(`${command} --amount ${missing}`)}`,
  );
}

async function agreeToWait(terminal: Terminal, { slots, running, waiting }: Queue): Promise<void> {
  if (running < slots && waiting === 0) return;
  const busy = `Provider busy: ${running} running, ${waiting} waiting.`;
  if (await terminal.confirm(`${busy} Add your task to the waiting queue?`)) return;
  throw new ProtocolError(
    "declined",
    "No task was created.",
    "Try again later, or use another provider.",
    { next: { verb: "listServices" } },
  );
}

function notAcceptingError(provider: string): ProtocolError {
  return new ProtocolError(
    "declined",
    `${provider} does not accept tasks at the moment.`,
    "Choose another provider.",
    { next: { verb: "listServices" } },
  );
}
