import { transfer } from "../../../sdk/account/calls.ts";
import { parseAddress } from "../../../sdk/parseAddress.ts";
import { formatOg } from "../../../sdk/units.ts";
import type { Command } from "../../definition.ts";
import { readAmount } from "../../flags/readFlags.ts";
import { type SendingFlags, submit } from "../../flows/submit.ts";

interface Flags extends SendingFlags {
  readonly from: string;
  readonly to: string;
  readonly amount: string;
}

/** Moves free money from the caller's sub-account for one provider to that for another, at once. */
export default (async (flags, terminal, environment) => {
  const moved = {
    from: parseAddress(flags.from),
    to: parseAddress(flags.to),
    amount: readAmount(flags.amount),
  };
  const client = await environment.signer("user");
  const result = await submit(client, transfer(client, moved), moved, flags, terminal);
  if (result.dryRun) return result;
  terminal.say(`Moved ${formatOg(moved.amount)} OG to the sub-account for ${moved.to}.`);
  terminal.next(environment.command(`get-sub-account --provider ${moved.to}`));
  return { ...result, account: client.address, ...moved };
}) satisfies Command<Flags>;
