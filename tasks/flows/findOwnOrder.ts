import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import type { Root } from "../../sdk/ids.ts";
import { type CatalogueModel, fetchCatalogue } from "../../sdk/service/fetchCatalogue.ts";
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
  /** Order again what is Finished. A task in progress is never ordered twice. */
  readonly again: boolean;
  /** The order's roots at this service; an encrypted dataset has a different root for each provider. */
  readonly rootsFor: (service: Service) => Promise<Roots>;
  /** The order's units of work at this service, if they do not follow from roots and configuration. */
  readonly unitsFor?: (at: {
    readonly service: Service;
    readonly model: CatalogueModel;
  }) => Promise<bigint>;
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
  for (const task of tasks.toReversed().filter((each) => mayBeWanted(each, wanted))) {
    const { order } = await readCreation(client, task);
    if (!isSameConfig(order.config, wanted.config)) continue;
    const standing = await readStanding(client, task);
    if (!isAlive(standing) || (wanted.again && standing.progress === "Finished")) continue;
    const service = services.get(task.provider) ?? (await findService(client, task));
    services.set(task.provider, service);
    if (service === null || !hasRoots(order, await wanted.rootsFor(service))) continue;
    const model = await findOrderedModel(service, order, wanted.model, standing);
    if (!model || !(await hasUnits(order, { service, model }, wanted))) continue;
    return { task, service, standing, blockNumber: task.createdBlock };
  }
  return null;
}

/** Before its order is read: whether a task may have a model. */
function mayBeWanted(task: Task, { again }: WantedOrder): boolean {
  const standing = standingOf(task, 0); // before every deadline
  return isAlive(standing) && !(again && standing.progress === "Finished");
}

/** Under other terms, the same work may have been other units. */
async function hasUnits(
  order: RecordedOrder,
  at: { readonly service: Service; readonly model: CatalogueModel },
  { unitsFor }: WantedOrder,
): Promise<boolean> {
  if (!unitsFor || order.offer !== at.service.offer) return true;
  return (await unitsFor(at)) === order.units;
}

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
async function findOrderedModel(
  service: Service,
  order: RecordedOrder,
  name: string,
  { progress }: Standing,
): Promise<CatalogueModel | undefined> {
  try {
    const { models } = await fetchCatalogue(service);
    return models.find((model) => model.name === name && model.hash === order.modelHash);
  } catch (error) {
    if (error instanceof ProtocolError && progress === "Finished") return undefined;
    throw error;
  }
}

const hasRoots = (order: RecordedOrder, { datasetRoot, validationRoot }: Roots) =>
  order.datasetRoot === datasetRoot && order.validationRoot === validationRoot;
