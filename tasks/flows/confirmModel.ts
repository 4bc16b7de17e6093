import type { Client } from "../../sdk/client.ts";
import { confirm } from "../../sdk/deliverable/calls.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import type { Task } from "../../sdk/task/Task.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { type SendingFlags, submit } from "./submit.ts";

/** Pays the provider immediately instead of after the dispute period. */
export async function confirmModel(
  client: Client & { readonly address: string },
  task: Task,
  flags: SendingFlags,
  terminal: Terminal,
) {
  if (task.user !== client.address) {
    const { user } = task;
    terminal.note(
      `The task was ordered by ${user}: confirm it from there, or its provider is paid after the dispute period.`,
    );
    return { dryRun: flags.dryRun, transaction: null };
  }
  const result = await confirmOnce(client, task, flags, terminal);
  if (result.dryRun) return result;
  terminal.say(
    result.transaction === null
      ? "The task was already settled; there is nothing to confirm."
      : "Confirmed on chain: the provider is paid and the task is finished.",
  );
  return result;
}

/** The task may have been settled by someone else meanwhile. */
async function confirmOnce(client: Client, task: Task, flags: SendingFlags, terminal: Terminal) {
  if (task.state === "Settled") return { dryRun: flags.dryRun, transaction: null };
  const args = { id: formatTaskId(task.id) };
  try {
    const result = await submit(client, confirm(client, task), args, flags, terminal);
    return { transaction: null, ...result };
  } catch (error) {
    const { state } = await getTask(client, task);
    if (state === "Settled") return { dryRun: flags.dryRun, transaction: null };
    throw error;
  }
}
