import { deposit } from "../../../sdk/account/calls.ts";
import { formatOg } from "../../../sdk/units.ts";
import type { Command } from "../../definition.ts";
import { readAmount } from "../../flags/readFlags.ts";
import { type SendingFlags, submit } from "../../flows/submit.ts";

interface Flags extends SendingFlags {
  readonly amount: string;
}

/** Deposits money from the caller's wallet into their account. */
export default (async (flags, terminal, environment) => {
  const amount = readAmount(flags.amount);
  const client = await environment.signer("user");
  const result = await submit(client, deposit(client, { amount }), { amount }, flags, terminal);
  if (result.dryRun) return result;
  terminal.say(`Deposited ${formatOg(amount)} OG into account ${client.address}.`);
  terminal.next(environment.command("get-account"));
  return { ...result, account: client.address, amount };
}) satisfies Command<Flags>;
