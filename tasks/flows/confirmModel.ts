import type { Client } from "../../sdk/client.ts";
import { confirmUnlessSettled } from "../../sdk/deliverable/confirmUnlessSettled.ts";
import { formatTaskId } from "../../sdk/ids.ts";
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
  const { dryRun } = flags;
  if (task.user !== client.address) {
    const { user } = task;
    terminal.note(
      `The task was ordered by ${user}: confirm it from there, or its provider is paid after the dispute period.`,
    );
    return { dryRun, transaction: null };
  }
  const args = { id: formatTaskId(task.id) };
  const result = await confirmUnlessSettled(client, task, (call) =>
    submit(client, call, args, flags, terminal),
  );
  if (result?.dryRun) return { transaction: null, ...result };
  if (!dryRun)
    terminal.say(
      result === null
        ? "The task was already settled; there is nothing to confirm."
        : "Confirmed on chain: the provider is paid and the task is finished.",
    );
  return result ?? { dryRun, transaction: null };
}
