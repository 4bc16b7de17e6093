import { withdraw } from "../../../sdk/account/calls.ts";
import { getAccount } from "../../../sdk/account/getAccount.ts";
import type { Client } from "../../../sdk/client.ts";
import { ProtocolError } from "../../../sdk/errors.ts";
import { formatOg } from "../../../sdk/units.ts";
import type { Command } from "../../definition.ts";
import type { Environment } from "../../Environment.ts";
import { readAmount } from "../../flags/readFlags.ts";
import { type SendingFlags, submit } from "../../flows/submit.ts";
import { shortOg } from "../../terminal/shortOg.ts";

interface Flags extends SendingFlags {
  readonly amount: string | undefined;
}

/** Pays available money of the caller's account out to their wallet. */
export default (async (flags, terminal, environment) => {
  const amount = readAmount(flags.amount);
  const client = await environment.signer("user");
  await checkAvailable(client, amount, environment);
  const result = await submit(client, withdraw(client, { amount }), { amount }, flags, terminal);
  if (result.dryRun) return result;
  terminal.say(`Refunded ${formatOg(amount)} OG to wallet ${client.address}.`);
  terminal.next(environment.command("get-account"));
  return { ...result, account: client.address, amount };
}) satisfies Command<Flags>;

/** Too large a refund is no reason to deposit: what is missing may be in sub-accounts. */
async function checkAvailable(
  client: Client & { readonly address: string },
  amount: bigint,
  environment: Environment,
): Promise<void> {
  const { available, locked } = await getAccount(client, { account: client.address });
  if (available >= amount) return;
  const most = shortOg(available);
  const hints = [
    ...(available > 0n
      ? [`Refund at most that: ${environment.command(`refund --amount ${most}`)}`]
      : []),
    ...(locked > 0n
      ? [`Return what is free in your sub-accounts first: ${environment.command("retrieve-fund")}`]
      : []),
  ];
  throw new ProtocolError(
    "insufficient-funds",
    `Your account has ${formatOg(available)} OG available, and ${formatOg(amount)} OG are to be refunded.`,
    hints.join("\n") || `There is nothing to refund: ${environment.command("get-account")}`,
  );
}
