import { type Client, requireSigner } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import type { Root } from "../ids.ts";
import { type CatalogueModel, fetchCatalogue } from "../service/fetchCatalogue.ts";
import { findService } from "../service/findService.ts";
import type { OfferedModel } from "../service/OfferedModel.ts";
import type { Service } from "../service/Service.ts";
import { readCreation } from "../task/getTaskOrder.ts";
import { listTasks } from "../task/listTasks.ts";
import { readStanding } from "../task/readStanding.ts";
import { type Standing, standingOf } from "../task/standing.ts";
import type { Task } from "../task/Task.ts";
import type { RecordedOrder } from "../task/TaskOrder.ts";
import type { Hyperparameters } from "../training/Hyperparameters.ts";
import { isSameConfig } from "../training/parseHyperparameters.ts";

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
  readonly unitsFor?: (at: OfferedModel) => Promise<bigint>;
}

/** An earlier task with exactly the same order. */
export interface OwnOrder extends OfferedModel {
  readonly task: Task;
  readonly standing: Standing;
  readonly blockNumber: number;
}

/**
 * Finds the newest task with exactly this order that has, or may still get, a model, or that still holds money. It is
 * on chain even if the answer to the order was lost or the terminal was closed. A task that ended without a model does
 * not prevent a new order.
 */
export async function findOwnOrder(client: Client, wanted: WantedOrder): Promise<OwnOrder | null> {
  const { provider } = wanted;
  const user = await requireSigner(client).getAddress();
  const tasks = await listTasks(client, { user, provider });
  const known = new Map<string, OrderedAt | null>();
  for (const task of tasks.toReversed().filter((each) => mayBeWanted(each, wanted))) {
    const { order } = await readCreation(client, task);
    if (!isSameConfig(order.config, wanted.config)) continue;
    const standing = await readStanding(client, task);
    if (!isAlive(standing) || (wanted.again && standing.progress === "Finished")) continue;
    const at = known.get(task.provider) ?? (await findOrderedAt(client, task, wanted));
    known.set(task.provider, at);
    if (at === null || !hasRoots(order, at.roots)) continue;
    const { service } = at;
    const model = await findOrderedModel(service, order, wanted.model, standing);
    if (!model || !(await hasUnits(order, { service, model }, wanted))) continue;
    return { task, service, model, standing, blockNumber: task.createdBlock };
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
  at: OfferedModel,
  { unitsFor }: WantedOrder,
): Promise<boolean> {
  if (!unitsFor || order.offer !== at.service.offer) return true;
  return (await unitsFor(at)) === order.units;
}

const isAlive = ({ failure, next }: Standing) => failure === null || next === "claim";

/** A service, and the roots that the order would have there, which are computed only once. */
interface OrderedAt {
  readonly service: Service;
  readonly roots: Roots;
}

/** Null for a provider that is no longer registered, which requires that none of its tasks is open. */
async function findOrderedAt(
  client: Client,
  { provider }: Task,
  { rootsFor }: WantedOrder,
): Promise<OrderedAt | null> {
  const service = await findService(client, provider);
  return service && { service, roots: await rootsFor(service) };
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
