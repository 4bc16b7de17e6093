import type { Client } from "../sdk/client.ts";
import { ProtocolError } from "../sdk/errors.ts";
import { formatTaskId, parseTaskId } from "../sdk/ids.ts";
import { getTask } from "../sdk/task/getTask.ts";
import { listTasks } from "../sdk/task/listTasks.ts";
import type { Task } from "../sdk/task/Task.ts";
import { readAddress } from "./readAddress.ts";

/** The flags that name a task. */
export interface TaskFlags {
  readonly provider: string | undefined;
  /** The whole id, or the beginning of it. */
  readonly task: string | undefined;
}

/**
 * Finds the task that the flags mean: by its whole id, by the beginning of it among the caller's tasks at the
 * provider, or else the newest of those.
 */
export async function findTask(
  client: Client & { readonly address: string },
  { provider, task }: TaskFlags,
): Promise<Task> {
  if (task !== undefined && isWhole(task)) {
    const found = await getTask(client, { id: parseTaskId(task) });
    if (provider !== undefined) checkProvider(found, readAddress(provider));
    return found;
  }
  const address = readAddress(provider);
  const tasks = await listTasks(client, { user: client.address, provider: address });
  const matching = tasks.filter(({ id }) => startsWith(formatTaskId(id), task ?? ""));
  const newest = matching.at(-1);
  if (!newest) throw noTask(address, task);
  if (task !== undefined && matching.length > 1) throw ambiguous(task, matching);
  return newest;
}

const isWhole = (text: string) => text.replaceAll("-", "").replace(/^0x/, "").length >= 32;

const startsWith = (uuid: string, prefix: string) =>
  uuid.replaceAll("-", "").startsWith(prefix.toLowerCase().replaceAll("-", "").replace(/^0x/, ""));

function checkProvider(task: Task, provider: string): void {
  if (task.provider === provider) return;
  throw new ProtocolError(
    "usage",
    `Task ${formatTaskId(task.id)} belongs to provider ${task.provider}, not to ${provider}.`,
    `Use --provider ${task.provider}, or leave --provider out.`,
  );
}

function noTask(provider: string, prefix: string | undefined): ProtocolError {
  const which = prefix === undefined ? "no task" : `no task whose id begins with "${prefix}"`;
  return new ProtocolError(
    "not-found",
    `You have ${which} at provider ${provider}.`,
    `See your tasks: npx hardhat list-tasks --provider ${provider}`,
  );
}

function ambiguous(prefix: string, tasks: readonly Task[]): ProtocolError {
  const ids = tasks.map(({ id }) => formatTaskId(id)).join(", ");
  return new ProtocolError(
    "usage",
    `"${prefix}" is the beginning of ${tasks.length} tasks: ${ids}.`,
    "Give more digits of the one you mean.",
  );
}
