import type { Client } from "../client.ts";
import type { TaskId } from "../ids.ts";
import { taskIdOf } from "../taskIdOf.ts";
import { readChain } from "../transaction/readChain.ts";
import { PAGE_SIZE, readPages } from "../transaction/readPages.ts";
import { decodeTask, type Task } from "./Task.ts";

export interface ListTasksParameters {
  /** Address of the user. */
  readonly user: string;
  /** Address of the provider; default: all that the user has a sub-account for. */
  readonly provider?: string | undefined;
}

/** Tasks per call: their results fit into a request with other views. */
const TASKS_PER_CALL = 30;

/**
 * Reads all tasks that the user ever created, at one provider or at all of them, oldest first. Their ids are computed,
 * so 30 tasks cost one request.
 * @throws ProtocolError "network" if the chain does not answer.
 * @example const tasks = await listTasks(client, { user, provider });
 */
export async function listTasks(
  client: Client,
  { user, provider }: ListTasksParameters,
): Promise<Task[]> {
  if (provider !== undefined) return listAtProvider(client, user, provider);
  const tasks = await listEverywhere(client, user);
  return tasks.toSorted((a, b) => a.createdBlock - b.createdBlock);
}

/** Reads the first tasks at every provider together with the numbers of tasks, and then the others. */
async function listEverywhere(client: Client, user: string): Promise<Task[]> {
  const providers = await readChain(client, () =>
    readPages((offset) =>
      client.ledger.providersOf(user, client.servingAddress, offset, PAGE_SIZE),
    ),
  );
  const pairs = providers.map((provider) => ({ user, provider }));
  const each = Math.floor(TASKS_PER_CALL / providers.length);
  const begin = pairs.flatMap((pair) => idsOf(client, { ...pair, first: 0, count: each }));
  const [ids, first] = await Promise.all([idsBetween(client, pairs), readTasks(client, begin)]);
  const known = new Set(begin);
  const rest = ids.filter((id) => !known.has(id));
  return [...first, ...(await readTasks(client, rest))];
}

/** Reads pages until one has a task that does not exist, which spares the request for their number. */
async function listAtProvider(client: Client, user: string, provider: string): Promise<Task[]> {
  const tasks: Task[] = [];
  for (let first = 0; tasks.length === first; first += TASKS_PER_CALL) {
    const ids = idsOf(client, { user, provider, first, count: TASKS_PER_CALL });
    tasks.push(...(await readTasks(client, ids)));
  }
  return tasks;
}

/** The ids of all tasks of some users at some providers, in the order of the pairs. */
export async function idsBetween(
  client: Client,
  pairs: readonly { user: string; provider: string }[],
): Promise<TaskId[]> {
  const ids: TaskId[] = [];
  for (let first = 0; first < pairs.length; first += PAGE_SIZE) {
    const page = pairs.slice(first, first + PAGE_SIZE);
    const [users, providers] = [page.map(({ user }) => user), page.map(({ provider }) => provider)];
    const counts = await readChain(client, () => client.serving.taskCounts(users, providers));
    for (const [index, count] of counts.entries())
      ids.push(...idsOf(client, { ...page[index]!, first: 0, count: Number(count) }));
  }
  return ids;
}

/** Reads those of the tasks that exist, in order. */
export async function readTasks(client: Client, ids: readonly TaskId[]): Promise<Task[]> {
  const tasks: Task[] = [];
  for (let first = 0; first < ids.length; first += TASKS_PER_CALL) {
    const page = ids.slice(first, first + TASKS_PER_CALL);
    const structs = await readChain(client, () => client.serving.tasks(page));
    tasks.push(...[...structs].flatMap((struct, index) => decodeTask(page[index]!, struct) ?? []));
  }
  return tasks;
}

/** The ids of tasks number `first` and the following ones. */
function idsOf(
  client: Client,
  { first, count, ...who }: { user: string; provider: string; first: number; count: number },
): TaskId[] {
  return Array.from({ length: count }, (_, index) =>
    taskIdOf(client, { ...who, nonce: BigInt(first + index) }),
  );
}
