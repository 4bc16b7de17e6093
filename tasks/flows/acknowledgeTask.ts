import type { Client } from "../../sdk/client.ts";
import { acknowledge, lapse } from "../../sdk/deliverable/calls.ts";
import { formatTaskId, type Root } from "../../sdk/ids.ts";
import type { Task } from "../../sdk/task/Task.ts";
import { latestBlock } from "../../sdk/transaction/latestBlock.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { type SendingFlags, submit } from "./submit.ts";

/** A task whose delivery is not acknowledged yet, in time or late. */
export type Unacknowledged = Task & { readonly root: Root };

export const awaitsAcknowledgement = (task: Task): task is Unacknowledged =>
  task.root !== null && (task.state === "Delivered" || task.state === "Lapsed");

/** Acknowledges a model. After the deadline, the task has to lapse first, which anyone may call. */
export async function acknowledgeTask(
  client: Client,
  task: Unacknowledged,
  flags: SendingFlags,
  terminal: Terminal,
) {
  const args = { id: formatTaskId(task.id) };
  const { timestamp } = await latestBlock(client);
  if (task.state === "Delivered" && timestamp > task.deadline) {
    const lapsed = await submit(client, lapse(client, task), args, flags, terminal);
    // A late acknowledgement reverts until the task has lapsed.
    if (lapsed.dryRun) return { ...lapsed, followedBy: { verb: "acknowledge", root: task.root } };
  }
  const call = acknowledge(client, task);
  return submit(client, call, { ...args, root: task.root }, flags, terminal);
}
