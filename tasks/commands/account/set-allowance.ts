import { authorize, UNLIMITED } from "../../../sdk/account/calls.ts";
import { formatOg, parseOg } from "../../../sdk/units.ts";
import type { Command } from "../../definition.ts";
import { type SendingFlags, submit } from "../../flows/submit.ts";

interface Flags extends SendingFlags {
  readonly amount: string;
}

/** Sets how much of the caller's account the serving contract may reserve from now on. */
export default (async (flags, terminal, environment) => {
  const text = flags.amount;
  const allowance = text === "unlimited" ? UNLIMITED : parseOg(text);
  const client = await environment.signer("user");
  const call = authorize(client, { allowance });
  const result = await submit(client, call, { allowance }, flags, terminal);
  if (result.dryRun) return result;
  const much = allowance === UNLIMITED ? "all" : `${formatOg(allowance)} OG`;
  terminal.say(`The contract may reserve ${much} of account ${client.address} from now on.`);
  return { ...result, account: client.address, allowance };
}) satisfies Command<Flags>;
