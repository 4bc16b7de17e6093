import { withdraw } from "../sdk/account/withdraw.ts";
import { formatOg } from "../sdk/units.ts";
import { readAmount } from "./flags.ts";
import { run } from "./run.ts";
import { type SendingFlags, submit } from "./submit.ts";

interface Flags extends SendingFlags {
  readonly amount: string | undefined;
}

/** Pays available money of the caller's account out to his wallet. */
export default run<Flags>(async (flags, terminal, environment) => {
  const amount = readAmount(flags.amount);
  const client = await environment.signer("user");
  const result = await submit(client, withdraw(client, { amount }), { amount }, flags, terminal);
  if (result.dryRun) return result;
  terminal.say(`Refunded ${formatOg(amount)} OG to wallet ${client.address}.`);
  terminal.next(environment.command("get-account"));
  return { ...result, account: client.address, amount };
});
