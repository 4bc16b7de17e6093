import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { formatTaskId, parseTaskId } from "../../sdk/ids.ts";
import { parseAddress } from "../../sdk/parseAddress.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import { listTasks } from "../../sdk/task/listTasks.ts";
import type { Task } from "../../sdk/task/Task.ts";
import { describeOrders, type OrderSummary, resultName } from "./describeOrders.ts";

type Wallet = Client & { readonly address: string };

/** The flags that select a task. */
export interface TaskFlags {
  /** Default: all providers. */
  readonly provider: string | undefined;
  /** The id, its beginning, or the name or suffix of the model; default: the newest task. */
  readonly task: string | undefined;
}

/** Finds one of the user's tasks at any provider, or with a full id the task of anybody. */
export const findOwnTask = (client: Wallet, task: string): Promise<Task> =>
  findTask(client, { provider: undefined, task });

/**
 * Finds the selected task: by its full id; by the beginning of its id, or else the name or suffix of its model, among
 * the user's tasks; or the newest of those.
 * @throws ProtocolError "usage" with all that match if there are several; "not-found" if there is none.
 */
export async function findTask(client: Wallet, { provider, task }: TaskFlags): Promise<Task> {
  const address = provider === undefined ? undefined : parseAddress(provider);
  if (task !== undefined && isWhole(task)) {
    const whole = await getTask(client, { id: parseTaskId(task) });
    if (address !== undefined) checkProvider(whole, address);
    return whole;
  }
  const tasks = await listTasks(client, { user: client.address, provider: address });
  const found =
    task === undefined
      ? tasks.at(-1)
      : (chooseById(tasks, task) ?? (await chooseByName(client, tasks, task)));
  if (!found) throw taskNotFoundError(address, task);
  return found;
}

const isWhole = (text: string) =>
  /^(0x)?[0-9a-f-]+$/i.test(text) && text.replaceAll("-", "").replace(/^0x/, "").length >= 32;

function chooseById(tasks: readonly Task[], prefix: string): Task | undefined {
  const matching = tasks.filter(({ id }) => startsWith(formatTaskId(id), prefix));
  if (matching.length < 2) return matching[0];
  const ids = matching.map(({ id }) => formatTaskId(id));
  throw ambiguousError(`have ids that begin with "${prefix}"`, ids, "Give more digits.");
}

async function chooseByName(
  client: Wallet,
  tasks: readonly Task[],
  name: string,
): Promise<Task | undefined> {
  const orders = await describeOrders(client, tasks, tasks.length);
  const matching = tasks.filter((task) => isNamed(orders.get(task), name));
  if (matching.length < 2) return matching[0];
  const ids = matching.map(({ id }) => formatTaskId(id));
  throw ambiguousError(`are named "${name}"`, ids, "Give the beginning of an ID.");
}

const isNamed = (order: OrderSummary | undefined, name: string) =>
  order !== undefined && [order.suffix, order.model, resultName(order)].includes(name);

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

function taskNotFoundError(provider: string | undefined, text: string | undefined): ProtocolError {
  const which =
    text === undefined ? "no task" : `no task whose id begins with "${text}", or with that name`;
  return new ProtocolError(
    "not-found",
    `You have ${which}${provider === undefined ? "" : ` at provider ${provider}`}.`,
    "See your tasks.",
    { next: { verb: "listTasks", parameters: provider === undefined ? {} : { provider } } },
  );
}

function ambiguousError(what: string, ids: readonly string[], hint: string): ProtocolError {
  return new ProtocolError("usage", `${ids.length} tasks ${what}: ${ids.join(", ")}.`, hint);
}
