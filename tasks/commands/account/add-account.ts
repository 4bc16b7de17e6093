import { openAccount } from "../../../sdk/account/calls.ts";
import { formatOg } from "../../../sdk/units.ts";
import type { Command } from "../../definition.ts";
import { readAmount } from "../../flags/readFlags.ts";
import { type SendingFlags, submit } from "../../flows/submit.ts";

interface Flags extends SendingFlags {
  readonly amount: string | undefined;
}

/** Opens the caller's account: makes a deposit, and lets the serving contract reserve fees from it. */
export default (async (flags, terminal, environment) => {
  const amount = readAmount(flags.amount);
  const client = await environment.signer("user");
  const result = await submit(client, openAccount(client, { amount }), { amount }, flags, terminal);
  if (result.dryRun) return result;
  terminal.say(`Account ${client.address} opened with ${formatOg(amount)} OG.`);
  terminal.next(environment.command("list-providers"));
  return { ...result, account: client.address, amount };
}) satisfies Command<Flags>;
