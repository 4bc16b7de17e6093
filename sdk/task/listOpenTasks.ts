import type { Client } from "../client.ts";
import type { TaskId } from "../ids.ts";
import type { TaskState } from "../taskStates.ts";
import { readChain } from "../transaction/readChain.ts";
import { countTasks, PAGE_SIZE, readTasks } from "./listTasks.ts";
import type { Task } from "./Task.ts";
import { taskIdOf } from "./taskIdOf.ts";

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
    open.push(...page.filter(({ state }) => OPEN.has(state)));
  }
  return open;
}

/** The ids of all tasks of a provider, newest users and tasks first. */
async function listIds(client: Client, provider: string): Promise<TaskId[]> {
  const ids: TaskId[] = [];
  for (let offset = 0; ; offset += PAGE_SIZE) {
    const users = await readChain(client, () =>
      client.serving.usersOf(provider, offset, PAGE_SIZE),
    );
    const counts = await countTasks(client, users, Array(users.length).fill(provider));
    for (const [index, count] of counts.entries()) {
      for (let nonce = 0n; nonce < count; nonce++)
        ids.push(taskIdOf(client, { user: users[index]!, provider, nonce }));
    }
    if (users.length < PAGE_SIZE) return ids.reverse();
  }
}
