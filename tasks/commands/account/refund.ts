import { withdraw } from "../../../sdk/account/calls.ts";
import { getAccount } from "../../../sdk/account/getAccount.ts";
import type { Client } from "../../../sdk/client.ts";
import { ProtocolError } from "../../../sdk/errors.ts";
import { parseAddress } from "../../../sdk/parseAddress.ts";
import { formatOg } from "../../../sdk/units.ts";
import type { Command } from "../../definition.ts";
import type { Environment } from "../../Environment.ts";
import { readAmount } from "../../flags/readFlags.ts";
import { type SendingFlags, submit } from "../../flows/submit.ts";

interface Flags extends SendingFlags {
  readonly amount: string;
  readonly to: string | undefined;
}

/** Withdraws available money from the caller's account to their wallet, or to another address. */
export default (async (flags, terminal, environment) => {
  const amount = readAmount(flags.amount);
  const to = flags.to === undefined ? undefined : parseAddress(flags.to);
  const client = await environment.signer("user");
  await checkAvailable(client, amount, environment);
  const paid = { amount, ...(to ? { to } : {}) };
  const result = await submit(client, withdraw(client, paid), paid, flags, terminal);
  if (result.dryRun) return result;
  terminal.say(`Refunded ${formatOg(amount)} OG to ${to ?? `wallet ${client.address}`}.`);
  terminal.next(environment.command("get-account"));
  return { ...result, account: client.address, ...paid };
}) satisfies Command<Flags>;

/** For a refund that is too large, suggests sub-accounts instead of a deposit. */
async function checkAvailable(
  client: Client & { readonly address: string },
  amount: bigint,
  environment: Environment,
): Promise<void> {
  const { available, locked } = await getAccount(client, { account: client.address });
  if (available >= amount) return;
  const most = formatOg(available);
  const rest = locked > 0n ? `; ${formatOg(locked)} OG more are locked in sub-accounts` : "";
  const hints = [
    ...(available > 0n
      ? [`Refund at most that amount: ${environment.command(`refund --amount ${most}`)}`]
      : []),
    ...(locked > 0n
      ? [`First return what is free in your sub-accounts: ${environment.command("retrieve-fund")}`]
      : []),
  ];
  throw new ProtocolError(
    "insufficient-funds",
    `Your account has ${formatOg(available)} OG available, less than the ${formatOg(amount)} OG to refund${rest}.`,
    hints.join("\n") || `There is nothing to refund: ${environment.command("get-account")}`,
  );
}
