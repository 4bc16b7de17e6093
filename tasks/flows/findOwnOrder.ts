import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import type { Root } from "../../sdk/ids.ts";
import { fetchCatalogue } from "../../sdk/service/fetchCatalogue.ts";
import { getService } from "../../sdk/service/getService.ts";
import type { Service } from "../../sdk/service/Service.ts";
import { readCreation } from "../../sdk/task/getTaskOrder.ts";
import { listTasks } from "../../sdk/task/listTasks.ts";
import { readStanding } from "../../sdk/task/readStanding.ts";
import { type Standing, standingOf } from "../../sdk/task/standing.ts";
import type { Task } from "../../sdk/task/Task.ts";
import type { RecordedOrder } from "../../sdk/task/TaskOrder.ts";
import type { Hyperparameters } from "../../sdk/training/Hyperparameters.ts";
import { isSameConfig } from "../../sdk/training/parseHyperparameters.ts";

type Wallet = Client & { readonly address: string };

/** The storage roots in an order. */
export interface Roots {
  readonly datasetRoot: Root;
  readonly validationRoot: Root | null;
}

/** The order that is about to be placed. */
export interface WantedOrder {
  /** Undefined to choose by price: an earlier order may be with any provider. */
  readonly provider: string | undefined;
  /** Name of the model. */
  readonly model: string;
  readonly config: Hyperparameters;
  /** The declared size; undefined if it follows from the dataset. */
  readonly units?: bigint;
  /** Order again what is Finished. A task in progress is never ordered twice. */
  readonly again: boolean;
  /** The order's roots at this service; an encrypted dataset has a different root for each provider. */
  readonly rootsFor: (service: Service) => Promise<Roots>;
}

/** An earlier task with exactly the same order. */
export interface OwnOrder {
  readonly task: Task;
  readonly service: Service;
  readonly standing: Standing;
  readonly blockNumber: number;
}

/**
 * Finds the newest task with exactly this order that has, or may still get, a model, or that still holds money. It is
 * on chain even if the answer to the order was lost or the terminal was closed. A task that ended without a model does
 * not prevent a new order.
 */
export async function findOwnOrder(client: Wallet, wanted: WantedOrder): Promise<OwnOrder | null> {
  const { provider } = wanted;
  const tasks = await listTasks(client, { user: client.address, provider });
  const services = new Map<string, Service | null>();
  for (const task of tasks.toReversed()) {
    if (!mayBeWanted(task, wanted)) continue;
    const { order } = await readCreation(client, task);
    if (!isWanted(order, wanted)) continue;
    const standing = await readStanding(client, task);
    if (!isAlive(standing) || (wanted.again && standing.progress === "Finished")) continue;
    const service = services.get(task.provider) ?? (await findService(client, task));
    services.set(task.provider, service);
    if (service === null || !hasRoots(order, await wanted.rootsFor(service))) continue;
    if (!(await hasModel(service, order, wanted.model, standing))) continue;
    return { task, service, standing, blockNumber: task.createdBlock };
  }
  return null;
}

/** Before its order is read: whether a task may have a model, and whether its fee can be that of the order. */
function mayBeWanted(task: Task, { units, again }: WantedOrder): boolean {
  const standing = standingOf(task, 0); // before every deadline
  if (!isAlive(standing) || (again && standing.progress === "Finished")) return false;
  return units === undefined || task.fee % units === 0n;
}

/** Whether all matches that the order itself says. */
const isWanted = (order: RecordedOrder, { config, units }: WantedOrder) =>
  isSameConfig(order.config, config) && (units === undefined || order.units === units);

const isAlive = ({ failure, next }: Standing) => failure === null || next === "claim";

/** Null for a provider that is no longer registered, which requires that none of its tasks is open. */
async function findService(client: Client, { provider }: Task): Promise<Service | null> {
  try {
    return await getService(client, { provider });
  } catch (error) {
    if (error instanceof ProtocolError && error.code === "not-found") return null;
    throw error;
  }
}

/** Fails if the provider does not answer while the first order may still be in progress, to prevent a second one. */
async function hasModel(
  service: Service,
  order: RecordedOrder,
  name: string,
  { progress }: Standing,
): Promise<boolean> {
  try {
    const { models } = await fetchCatalogue(service);
    return models.some((model) => model.name === name && model.hash === order.modelHash);
  } catch (error) {
    if (error instanceof ProtocolError && progress === "Finished") return false;
    throw error;
  }
}

const hasRoots = (order: RecordedOrder, { datasetRoot, validationRoot }: Roots) =>
  order.datasetRoot === datasetRoot && order.validationRoot === validationRoot;
