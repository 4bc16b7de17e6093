import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import { cancelTask } from "../../sdk/task/calls.ts";
import type { Standing } from "../../sdk/task/standing.ts";
import type { Task } from "../../sdk/task/Task.ts";
import type { Environment } from "../Environment.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { claim } from "./claim.ts";
import { type SendingFlags, submit } from "./submit.ts";

/**
 * Cancels a task that its provider has not accepted yet, or claims the money after a missed deadline.
 * @throws ProtocolError "declined" if the task can no longer be cancelled and there is nothing to claim.
 */
export async function cancel(
  client: Client,
  task: Task,
  standing: Standing,
  flags: SendingFlags,
  terminal: Terminal,
  environment: Environment,
) {
  const id = formatTaskId(task.id);
  if (task.state !== "Created" && standing.next !== "claim") {
    throw notCancellableError(task, standing, environment);
  }
  if (standing.next === "claim") {
    const claimed = await claim(client, task, flags, terminal);
    if (!claimed.dryRun) terminal.next(environment.command("retrieve-fund"));
    return { ...claimed, id };
  }
  const result = await submit(client, cancelTask(client, task), { id }, flags, terminal);
  if (result.dryRun) return result;
  terminal.say(`Cancelled task ${id}. Its fee is free in the sub-account again.`);
  terminal.next(environment.command("retrieve-fund"));
  return { ...result, id };
}

function notCancellableError(
  { id, state }: Task,
  { progress, meaning }: Standing,
  environment: Environment,
): ProtocolError {
  const uuid = formatTaskId(id);
  return new ProtocolError(
    "declined",
    `Task ${uuid} is ${progress}: it can no longer be cancelled. ${meaning}`,
    state === "Accepted"
      ? `Stop it for its cost so far: ${environment.command(`fine-tuning cancel ${uuid}`)}`
      : `See what can be done: ${environment.command(`fine-tuning retrieve ${uuid}`)}`,
  );
}
