import { prepareFunds } from "../../sdk/account/prepareFunds.ts";
import type { Client } from "../../sdk/client.ts";
import { acknowledge, lapse } from "../../sdk/deliverable/calls.ts";
import { formatTaskId, type Root } from "../../sdk/ids.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import type { Task } from "../../sdk/task/Task.ts";
import { UNACKNOWLEDGED } from "../../sdk/taskStates.ts";
import { latestBlock } from "../../sdk/transaction/latestBlock.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { fundReservation } from "./fundReservation.ts";
import { type Planned, type SendingFlags, submit } from "./submit.ts";

/** A task whose delivery is not acknowledged yet, in time or late. */
export type Unacknowledged = Task & { readonly root: Root };

export const awaitsAcknowledgement = (task: Task): task is Unacknowledged =>
  task.root !== null && UNACKNOWLEDGED.has(task.state);

/** Acknowledges a model. */
export async function acknowledgeTask(
  client: Client,
  task: Unacknowledged,
  flags: SendingFlags,
  terminal: Terminal,
) {
  const { timestamp } = await latestBlock(client);
  if (task.state === "Lapsed" || timestamp > task.deadline) {
    const planned = await prepareLateAcknowledgement(client, task, flags, terminal);
    // Until then, an acknowledgement reverts and cannot be estimated.
    if (planned) return { ...planned, followedBy: { verb: "acknowledge", root: task.root } };
  }
  const args = { id: formatTaskId(task.id), root: task.root };
  return submit(client, acknowledge(client, task), args, flags, terminal);
}

/** The task has to lapse first, which anyone may call; then the rest of the fee is reserved again. */
async function prepareLateAcknowledgement(
  client: Client,
  task: Unacknowledged,
  flags: SendingFlags,
  terminal: Terminal,
): Promise<Planned | null> {
  if (task.state === "Delivered") {
    const args = { id: formatTaskId(task.id) };
    const lapsed = await submit(client, lapse(client, task), args, flags, terminal);
    if (lapsed.dryRun) return lapsed;
  }
  const { provider, fee, rebate, paid } = await getTask(client, task);
  const steps = await prepareFunds(client, { provider, amount: fee - rebate - paid });
  return fundReservation(client, steps, flags, terminal);
}
