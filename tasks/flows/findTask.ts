import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { formatTaskId, parseTaskId } from "../../sdk/ids.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import { listTasks } from "../../sdk/task/listTasks.ts";
import type { Task } from "../../sdk/task/Task.ts";
import { readAddress } from "../flags/readAddress.ts";

/** The flags that select a task. */
export interface TaskFlags {
  readonly provider: string | undefined;
  /** The full id, or its beginning. */
  readonly task: string | undefined;
}

/**
 * Finds the selected task: by its full id, by its beginning among the caller's tasks at the provider, or else the
 * newest of those.
 */
export async function findTask(
  client: Client & { readonly address: string },
  { provider, task }: TaskFlags,
): Promise<Task> {
  const whole = task === undefined ? null : await findWholeTask(client, task);
  if (whole) {
    if (provider !== undefined) checkProvider(whole, readAddress(provider));
    return whole;
  }
  const address = readAddress(provider);
  const tasks = await listTasks(client, { user: client.address, provider: address });
  const found = task === undefined ? tasks.at(-1) : chooseTask(tasks, task);
  if (!found) throw taskNotFoundError(address, task);
  return found;
}

/** The task with this id, whoever ordered it; null if `id` is too short for a full id. */
export async function findWholeTask(client: Client, id: string): Promise<Task | null> {
  return isWhole(id) ? getTask(client, { id: parseTaskId(id) }) : null;
}

/**
 * The only one of `tasks` whose id begins with `prefix`, or null.
 * @throws ProtocolError "usage" with all of them if there are several.
 */
export function chooseTask(tasks: readonly Task[], prefix: string): Task | null {
  const matching = tasks.filter(({ id }) => startsWith(formatTaskId(id), prefix));
  if (matching.length > 1) throw ambiguousIdError(prefix, matching);
  return matching[0] ?? null;
}

const isWhole = (text: string) => text.replaceAll("-", "").replace(/^0x/, "").length >= 32;

const startsWith = (uuid: string, prefix: string) =>
  uuid.replaceAll("-", "").startsWith(prefix.toLowerCase().replaceAll("-", "").replace(/^0x/, ""));

function checkProvider(task: Task, provider: string): void {
  if (task.provider === provider) return;
  throw new ProtocolError(
    "usage",
    `Task ${formatTaskId(task.id)} belongs to provider ${task.provider}, not to ${provider}.`,
    `Use --provider ${task.provider}, or omit --provider.`,
  );
}

function taskNotFoundError(provider: string, prefix: string | undefined): ProtocolError {
  const which = prefix === undefined ? "no task" : `no task whose id begins with "${prefix}"`;
  return new ProtocolError(
    "not-found",
    `You have ${which} at provider ${provider}.`,
    "See your tasks there.",
    { next: { verb: "listTasks", parameters: { provider } } },
  );
}

function ambiguousIdError(prefix: string, tasks: readonly Task[]): ProtocolError {
  const ids = tasks.map(({ id }) => formatTaskId(id)).join(", ");
  return new ProtocolError(
    "usage",
    `${tasks.length} tasks have ids that begin with "${prefix}": ${ids}.`,
    "Give more digits.",
  );
}
