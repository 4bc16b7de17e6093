import { openAccount, UNLIMITED } from "../../../sdk/account/calls.ts";
import { getAccount } from "../../../sdk/account/getAccount.ts";
import { formatOg } from "../../../sdk/units.ts";
import type { Command } from "../../definition.ts";
import { readAmount } from "../../flags/readFlags.ts";
import { type SendingFlags, submit } from "../../flows/submit.ts";

interface Flags extends SendingFlags {
  readonly amount: string;
}

/** Opens the caller's account: makes a deposit, and lets the serving contract reserve fees of that much. */
export default (async (flags, terminal, environment) => {
  const amount = readAmount(flags.amount);
  const client = await environment.signer("user");
  const before = await getAccount(client, { account: client.address });
  const { allowance: current } = before;
  const opened = { amount, allowance: current === UNLIMITED ? UNLIMITED : current + amount };
  const result = await submit(client, openAccount(client, opened), opened, flags, terminal);
  if (result.dryRun) return result;
  const { address } = client;
  const isOpen = before.total > 0n || before.subAccounts.length > 0;
  terminal.say(
    isOpen
      ? `Account ${address} was open already. Deposited ${formatOg(amount)} OG, and it has ${formatOg(before.total + amount)} OG now.`
      : `Account ${address} opened with ${formatOg(amount)} OG.`,
  );
  terminal.next(environment.command("list-providers"));
  return { ...result, account: client.address, ...opened };
}) satisfies Command<Flags>;
