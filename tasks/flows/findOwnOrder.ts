import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import type { Root } from "../../sdk/ids.ts";
import { fetchCatalogue } from "../../sdk/service/fetchCatalogue.ts";
import { getService } from "../../sdk/service/getService.ts";
import type { Service } from "../../sdk/service/Service.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import { type ListedOrder, listOrders } from "../../sdk/task/listOrders.ts";
import { type Standing, standingOf } from "../../sdk/task/standing.ts";
import type { Task } from "../../sdk/task/Task.ts";
import type { Hyperparameters } from "../../sdk/training/Hyperparameters.ts";
import { canonicalConfig } from "../../sdk/training/parseHyperparameters.ts";
import { latestBlock } from "../../sdk/transaction/latestBlock.ts";

type Wallet = Client & { readonly address: string };

/** The storage roots that an order names. */
export interface Roots {
  readonly datasetRoot: Root;
  readonly validationRoot: Root | null;
}

/** What is about to be ordered. */
export interface WantedOrder {
  /** Undefined lets the price choose: an earlier order may be with any provider. */
  readonly provider: string | undefined;
  /** Name of the model. */
  readonly model: string;
  readonly config: Hyperparameters;
  /** The declared size; undefined if it follows from the dataset. */
  readonly units?: bigint;
  /** Order once more what is Finished. What is not, is never ordered twice. */
  readonly again: boolean;
  /** The roots that the order would have at this service; a sealed dataset has another one for each provider. */
  readonly rootsFor: (service: Service) => Promise<Roots>;
}

/** A task that was ordered before, exactly like this. */
export interface OwnOrder {
  readonly task: Task;
  readonly service: Service;
  readonly standing: Standing;
  readonly blockNumber: number;
}

/**
 * Finds the newest task of exactly this order that has, or may still get, a model, or that still holds money. The chain
 * knows it also when the answer to the order was lost, or the terminal was closed. A task that ended without a model is
 * no obstacle to a new one.
 */
export async function findOwnOrder(client: Wallet, wanted: WantedOrder): Promise<OwnOrder | null> {
  const { provider, units } = wanted;
  const config = new TextDecoder().decode(canonicalConfig(wanted.config));
  const orders = await listOrders(client, { user: client.address, provider });
  const { timestamp } = await latestBlock(client);
  const services = new Map<string, Service | null>();
  for (const order of orders) {
    if (order.config !== config || (units !== undefined && order.units !== units)) continue;
    const task = await getTask(client, order);
    const standing = standingOf(task, timestamp);
    if (!isAlive(standing) || (wanted.again && standing.progress === "Finished")) continue;
    const service = services.get(task.provider) ?? (await findService(client, task));
    services.set(task.provider, service);
    if (service === null || !hasRoots(order, await wanted.rootsFor(service))) continue;
    if (!(await hasModel(service, order, wanted.model, standing))) continue;
    return { task, service, standing, blockNumber: order.blockNumber };
  }
  return null;
}

const isAlive = ({ failure, next }: Standing) => failure === null || next === "claim";

/** Null for a provider that has gone, which it can only when none of its tasks is open. */
async function findService(client: Client, { provider }: Task): Promise<Service | null> {
  try {
    return await getService(client, { provider });
  } catch (error) {
    if (error instanceof ProtocolError && error.code === "not-found") return null;
    throw error;
  }
}

/** A provider that does not answer stops a second order while the first one may still be under way. */
async function hasModel(
  service: Service,
  order: ListedOrder,
  name: string,
  { progress }: Standing,
): Promise<boolean> {
  try {
    const { models } = await fetchCatalogue(service);
    return models.some((model) => model.name === name && model.hash === order.model);
  } catch (error) {
    if (error instanceof ProtocolError && progress === "Finished") return false;
    throw error;
  }
}

const hasRoots = (order: ListedOrder, { datasetRoot, validationRoot }: Roots) =>
  order.datasetRoot === datasetRoot && order.validationRoot === validationRoot;
