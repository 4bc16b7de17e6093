import type { Client } from "../../sdk/client.ts";
import * as orders from "../../sdk/order/sendOrder.ts";
import { createTask } from "../../sdk/task/calls.ts";
import type { PreparedOrder } from "../../sdk/task/prepareOrder.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { untilInterrupted } from "../terminal/untilInterrupted.ts";
import { type Planned, plan, readSendOptions, type SendingFlags } from "./submit.ts";

/** The transaction of an order. */
interface SentOrder {
  readonly dryRun: false;
  readonly transaction: string;
  readonly blockNumber: number;
}

/**
 * Sends an order or, with --dry-run, shows it.
 * @throws ProtocolError like the SDK's sendOrder; "declined" on Ctrl-C.
 */
export async function sendOrder(
  client: Client,
  prepared: PreparedOrder,
  flags: SendingFlags,
  terminal: Terminal,
  { timeout }: { timeout?: number } = {},
): Promise<SentOrder | Planned> {
  const { id, order } = prepared;
  const options = { ...readSendOptions(flags, terminal), timeout, onNote: terminal.note };
  if (flags.dryRun) return plan(client, createTask(client, prepared), { order }, terminal);
  const why = "the command was interrupted.";
  const interrupted = orders.unknownOutcomeError("declined", id, why);
  const { hash: transaction, ...sent } = await untilInterrupted(interrupted, (signal) => {
    terminal.say("Creating task...");
    return orders.sendOrder(client, prepared, { ...options, signal });
  });
  return { dryRun: false, transaction, ...sent };
}
