import { z } from "zod";
import type { Client } from "../../sdk/client.ts";
import { tunedModelName } from "../../sdk/deliverable/tunedModelName.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { formatTaskId, type Root } from "../../sdk/ids.ts";
import { printable } from "../../sdk/printable.ts";
import { fetchCatalogue } from "../../sdk/service/fetchCatalogue.ts";
import { getService } from "../../sdk/service/getService.ts";
import { getTaskOrder } from "../../sdk/task/getTaskOrder.ts";
import type { Task } from "../../sdk/task/Task.ts";
import { recall, remember } from "../memory.ts";

/** What was ordered, for a list of tasks. */
export interface OrderSummary {
  readonly createdAt: Date;
  /** Name of the base model; null if its provider does not tell. */
  readonly model: string | null;
  readonly suffix: string | null;
  readonly datasetRoot: Root;
}

/** The name of a task's model; without that of its base model, the suffix, if there is one. */
export const resultName = ({ model, suffix }: Pick<OrderSummary, "model" | "suffix">): string =>
  model === null ? (suffix ?? "") : tunedModelName(model, suffix ?? undefined);

/** A development chain starts again with the same ids, so nothing about it is remembered. */
const DEVELOPMENT_CHAIN = 31_337;

const Summary = z.object({
  createdBlock: z.number(),
  createdAt: z.coerce.date(),
  model: z.string().transform((text) => printable(text)),
  suffix: z
    .string()
    .transform((text) => printable(text))
    .nullable(),
  datasetRoot: z
    .string()
    .regex(/^0x[0-9a-f]{64}$/)
    .transform((root) => root as Root),
});

/**
 * Reads what was ordered with the newest tasks that are not known yet, and recalls the others. An order does not change.
 * @param limit tasks whose order is read, at two requests each
 */
export async function describeOrders(
  client: Client,
  tasks: readonly Task[],
  limit: number,
): Promise<ReadonlyMap<Task, OrderSummary>> {
  const recalled = await Promise.all(tasks.map((task) => recallOrder(client, task)));
  const unknown = tasks.filter((_, index) => recalled[index] === null).slice(-limit);
  const names = new Map<string, Promise<ReadonlyMap<string, string>>>();
  const read = await Promise.all(
    unknown.map(async (task) => {
      const known = names.get(task.provider) ?? modelNames(client, task);
      names.set(task.provider, known);
      return readOrder(client, task, await known);
    }),
  );
  const found = tasks.map((task, index) => [task, recalled[index] ?? null] as const);
  const added = unknown.map((task, index) => [task, read[index]!] as const);
  return new Map([...found, ...added].filter((pair): pair is [Task, OrderSummary] => !!pair[1]));
}

async function readOrder(
  client: Client,
  task: Task,
  names: ReadonlyMap<string, string>,
): Promise<OrderSummary> {
  const { createdAt, modelHash, config, datasetRoot } = await getTaskOrder(client, task);
  const model = names.get(modelHash) ?? null;
  const summary = { createdAt, model, suffix: config?.suffix ?? null, datasetRoot };
  await rememberOrder(client, task, summary);
  return summary;
}

/** The names of a provider's models by their hashes; empty if it does not answer. */
async function modelNames(
  client: Client,
  { provider }: Task,
): Promise<ReadonlyMap<string, string>> {
  try {
    const { models } = await fetchCatalogue(await getService(client, { provider }));
    return new Map(models.map(({ hash, name }) => [hash, name]));
  } catch (error) {
    if (error instanceof ProtocolError) return new Map();
    throw error;
  }
}

const nameOf = ({ id }: Task) => `${formatTaskId(id)}.json`;

async function recallOrder({ chainId }: Client, task: Task): Promise<OrderSummary | null> {
  const text = chainId === DEVELOPMENT_CHAIN ? null : await recall("orders", nameOf(task));
  const found = text === null ? null : parseSummary(text);
  return found?.createdBlock === task.createdBlock ? found : null;
}

function parseSummary(text: string) {
  try {
    return Summary.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

async function rememberOrder({ chainId }: Client, task: Task, order: OrderSummary): Promise<void> {
  if (chainId === DEVELOPMENT_CHAIN || order.model === null) return;
  const text = JSON.stringify({ createdBlock: task.createdBlock, ...order });
  await remember("orders", nameOf(task), text);
}
