import type { Client } from "../client.ts";
import type { TaskId } from "../ids.ts";
import type { TaskState } from "../taskStates.ts";
import { readChain } from "../transaction/readChain.ts";
import { PAGE_SIZE, readPages } from "../transaction/readPages.ts";
import { idsBetween, readTasks } from "./listTasks.ts";
import type { Task } from "./Task.ts";

export interface ListOpenTasksParameters {
  /** Address of the provider. */
  readonly provider: string;
  /** How many there are, by the provider's counters: the search ends when they are found. */
  readonly count: number;
}

const OPEN: ReadonlySet<TaskState> = new Set([
  "Created",
  "Accepted",
  "Delivered",
  "Demanded",
  "Acknowledged",
  "Revealed",
]);

/**
 * Whether a task counts against the number that its provider allows each user.
 * @example const open = (await listTasks(client, { user, provider })).filter(isOpen);
 */
export const isOpen = ({ state }: Pick<Task, "state">): boolean => OPEN.has(state);

/**
 * Finds the open tasks of a provider among those of all its users, newest users and tasks first, without events.
 * @throws ProtocolError "network" if the chain does not answer.
 * @example
 * const { counters } = await getService(client, { provider });
 * const tasks = await listOpenTasks(client, { provider, count: counters.open });
 */
export async function listOpenTasks(
  client: Client,
  { provider, count }: ListOpenTasksParameters,
): Promise<Task[]> {
  const ids = await listIds(client, provider);
  const open: Task[] = [];
  for (let first = 0; first < ids.length && open.length < count; first += PAGE_SIZE) {
    const page = await readTasks(client, ids.slice(first, first + PAGE_SIZE));
    open.push(...page.filter(isOpen));
  }
  return open;
}

/** The ids of all tasks of a provider, newest users and tasks first. */
async function listIds(client: Client, provider: string): Promise<TaskId[]> {
  const users = await readChain(client, () =>
    readPages((offset) => client.serving.usersOf(provider, offset, PAGE_SIZE)),
  );
  const ids = await idsBetween(
    client,
    users.map((user) => ({ user, provider })),
  );
  return ids.reverse();
}
