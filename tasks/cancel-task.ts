import type { Client } from "../sdk/client.ts";
import { ProtocolError } from "../sdk/errors.ts";
import { formatTaskId } from "../sdk/ids.ts";
import { cancelTask } from "../sdk/task/cancelTask.ts";
import type { Task } from "../sdk/task/Task.ts";
import type { Environment } from "./environment.ts";
import { findTask, type TaskFlags } from "./findTask.ts";
import { run } from "./run.ts";
import { type SendingFlags, submit } from "./submit.ts";
import type { Terminal } from "./terminal.ts";

interface Flags extends TaskFlags, SendingFlags {}

/** Takes back a task that nobody has accepted yet. */
export default run<Flags>(async (flags, terminal, environment) => {
  const client = await environment.signer("user");
  return cancel(client, await findTask(client, flags), flags, terminal, environment);
});

/** @throws ProtocolError "declined" when the task is past that. */
export async function cancel(
  client: Client,
  task: Task,
  flags: SendingFlags,
  terminal: Terminal,
  environment: Environment,
) {
  const id = formatTaskId(task.id);
  if (task.state !== "Created") {
    throw new ProtocolError(
      "declined",
      `Task ${id} is ${task.progress}: it can no longer be canceled.`,
      "Only a task that no provider has accepted can be.",
    );
  }
  const result = await submit(client, cancelTask(client, task), { id }, flags, terminal);
  if (result.dryRun) return result;
  terminal.say(`Canceled task ${id}. Its fee is free in the sub-account again.`);
  terminal.next(environment.command("retrieve-fund"));
  return { ...result, id };
}
