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
 * Takes back a task that no provider has accepted yet, or claims what a missed deadline brings.
 * @throws ProtocolError "declined" when there is nothing to take back.
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
  const result =
    standing.next === "claim"
      ? await claim(client, task, flags, terminal)
      : await submit(client, cancelTask(client, task), { id }, flags, terminal);
  if (result.dryRun) return result;
  if (task.state === "Created") {
    terminal.say(`Cancelled task ${id}. Its fee is free in the sub-account again.`);
  }
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
      ? `Stop it for what it has cost so far: ${environment.command(`fine-tuning cancel ${uuid}`)}`
      : `See what can be done: ${environment.command(`fine-tuning retrieve ${uuid}`)}`,
  );
}
