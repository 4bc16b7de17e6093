import { authorize, openAccount, UNLIMITED } from "../../../sdk/account/calls.ts";
import { getAccount } from "../../../sdk/account/getAccount.ts";
import type { Client } from "../../../sdk/client.ts";
import { parseAddress } from "../../../sdk/parseAddress.ts";
import { registerService } from "../../../sdk/service/calls.ts";
import type { ServiceTerms } from "../../../sdk/service/Service.ts";
import { formatOg } from "../../../sdk/units.ts";
import type { Command } from "../../definition.ts";
import { readAmount } from "../../flags/readFlags.ts";
import { readTerms, type TermsFlags } from "../../flags/readTerms.ts";
import { fetchTerms } from "../../flows/fetchTerms.ts";
import { type OwnerFlags, ownerClient } from "../../flows/ownerClient.ts";
import { type Planned, type SendingFlags, type Sent, submit } from "../../flows/submit.ts";
import type { Terminal } from "../../terminal/Terminal.ts";

interface Flags extends SendingFlags, TermsFlags, OwnerFlags {
  readonly url: string;
  readonly price: string;
  readonly operator: string | undefined;
  readonly amount: string | undefined;
}

/** Default terms: a price per byte, one day of training, the smallest bond, a tenth of the fee if unacknowledged. */
const DEFAULTS = {
  url: "",
  pricePerUnit: 0n,
  minimumUnits: 1n,
  unit: "byte",
  maxTrainingTime: 24 * 60 * 60,
  bondBps: 10_000,
  unacknowledgedBps: 1_000,
  openTasksPerUser: 1,
  accepting: true,
} as const;

/** Registers the owner's offer, with the operator, the key and the catalogue of their running daemon. */
export default (async (flags, terminal, environment) => {
  const { url } = flags;
  const offered = readTerms(flags, DEFAULTS);
  const amount = flags.amount === undefined ? null : readAmount(flags.amount);
  const client = await ownerClient(flags, environment);
  const provided = await fetchTerms(client, url);
  const operator = flags.operator === undefined ? provided.operator : parseAddress(flags.operator);
  const terms: ServiceTerms = { ...offered, ...provided, operator };
  const opened = await openForStake(client, amount, flags, terminal);
  // The registration can be estimated only with the money in the account.
  const call = registerService(client, { terms });
  if (opened?.dryRun) return { ...opened, followedBy: { ...call, terms } };
  const result = await submit(client, call, { terms }, flags, terminal);
  if (result.dryRun) return result;
  terminal.say(`Registered ${client.address} at ${url}.`);
  sayWhoOperates(terminal, client.address, { operator, daemon: provided.operator });
  terminal.next(environment.command("provider-status"));
  return { ...result, provider: client.address, terms };
}) satisfies Command<Flags>;

function sayWhoOperates(
  terminal: Terminal,
  owner: string,
  { operator, daemon }: { readonly operator: string; readonly daemon: string },
): void {
  if (operator !== daemon)
    terminal.note(
      `The daemon runs as ${daemon}: it accepts nothing until it is started with the key of ${operator}.`,
    );
  if (operator === owner)
    terminal.note(
      "The daemon's key is also the owner's: whoever takes over its machine can withdraw everything. Give the daemon a key of its own, and keep the owner's in a Safe or a hardware wallet; see docs/operating.md.",
    );
}

/**
 * Deposits, and lets the contract reserve stake and bonds without a limit: the daemon cannot ask the owner for each
 * bond. A limit that the owner has set stays.
 */
async function openForStake(
  client: Client & { readonly address: string },
  amount: bigint | null,
  flags: SendingFlags,
  terminal: Terminal,
): Promise<Sent | Planned | null> {
  const { allowance: current, total } = await getAccount(client, { account: client.address });
  const allowance = current === 0n ? UNLIMITED : current;
  if (amount !== null) {
    const call = openAccount(client, { amount, allowance });
    const opened = await submit(client, call, { amount, allowance }, flags, terminal);
    if (!opened.dryRun)
      terminal.say(`Deposited ${formatOg(amount)} OG for the stake and the bonds.`);
    return opened;
  }
  // Without money, the registration is refused, and says what is needed.
  if (current === allowance || total === 0n) return null;
  return submit(client, authorize(client, { allowance }), { allowance }, flags, terminal);
}
