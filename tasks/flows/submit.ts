import { type Client, requireSigner } from "../../sdk/client.ts";
import type { Call } from "../../sdk/transaction/Call.ts";
import { readChain } from "../../sdk/transaction/readChain.ts";
import { type SendOptions, send } from "../../sdk/transaction/send.ts";
import { formatOg } from "../../sdk/units.ts";
import { readInteger } from "../flags/readFlags.ts";
import type { Terminal } from "../terminal/Terminal.ts";

/** The flags of every command that sends a transaction. */
export interface SendingFlags {
  readonly gasPrice: string | undefined;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** The arguments of a call, by name, as its command calls them. */
type CallArguments = Readonly<Record<string, unknown>>;

/** A transaction in a block. */
export interface Sent {
  readonly dryRun: false;
  readonly transaction: string;
  readonly blockNumber: number;
  readonly gasUsed: bigint;
}

/** A transaction that --dry-run shows. */
export interface Planned {
  readonly dryRun: true;
  readonly contract: "Ledger" | "FineTuningServing";
  readonly to: string;
  readonly verb: string;
  /** Encoded call, 0x-hex. */
  readonly data: string;
  readonly arguments: CallArguments;
  /** Neuron sent with the call. */
  readonly value: bigint;
  /** Estimated by the node, which ran the call against the newest block. */
  readonly gas: bigint;
}

/**
 * Sends a call or, with --dry-run, shows it.
 * @throws ProtocolError if the call would revert, in both cases.
 */
export async function submit(
  client: Client,
  call: Call,
  args: CallArguments,
  flags: SendingFlags,
  terminal: Terminal,
): Promise<Sent | Planned> {
  const options = readSendOptions(flags, terminal);
  if (flags.dryRun) return plan(client, call, args, terminal);
  const { hash, blockNumber, gasUsed } = await send(client, call, options);
  return { dryRun: false, transaction: hash, blockNumber, gasUsed };
}

/** How the flags say that a call is sent. */
export function readSendOptions({ gasPrice }: SendingFlags, terminal: Terminal): SendOptions {
  return {
    gasPrice: gasPrice === undefined ? undefined : readInteger(gasPrice, "--gas-price", 1n),
    onSigned: (hash) => terminal.note(`Sending transaction ${hash}`),
  };
}

/** Shows a call instead of sending it. */
export async function plan(
  client: Client,
  { verb, to, data, value }: Call,
  args: CallArguments,
  terminal: Terminal,
): Promise<Planned> {
  const from = await requireSigner(client).getAddress();
  const gas = await readChain(client, () => client.provider.estimateGas({ from, to, data, value }));
  const contract = to === client.ledgerAddress ? "Ledger" : "FineTuningServing";
  terminal.table({
    title: "Dry run",
    widths: [35, 85],
    rows: [
      ["Field", "Value"],
      ["Function", `${contract}.${verb}`],
      ["Contract", to],
      ...Object.entries(args).flatMap(([name, arg]) => showArgument(name, arg)),
      ["Value (OG)", formatOg(value)],
      ["Gas", gas.toString()],
    ],
  });
  terminal.say("Nothing was sent.");
  return { dryRun: true, contract, to, verb, data, arguments: args, value, gas };
}

/** One row per argument; a struct has one row per field. */
function showArgument(name: string, arg: unknown): string[][] {
  if (Array.isArray(arg)) return [[name, arg.join(" ")]];
  if (typeof arg === "object" && arg !== null) {
    return Object.entries(arg).flatMap(([field, value]) => showArgument(`${name}.${field}`, value));
  }
  return [[name, String(arg ?? "")]];
}
