import type { Client } from "../client.ts";
import type { Delivery } from "../task/Delivery.ts";
import { readCreation } from "../task/getTaskOrder.ts";
import type { Task } from "../task/Task.ts";
import { walkTaskEvents } from "../task/taskEvents.ts";
import { missingEventError } from "../transaction/blockLogs.ts";

/** A task, with its deliverable and the blocks of its first and its last event. */
export type GetDeliveryParameters = Pick<Task, "id" | "root" | "createdBlock" | "movedBlock">;

/** A delivery as it was posted, with the revealed key. */
export interface KeyedDelivery extends Delivery {
  /** The revealed key; null before `reveal`. */
  readonly key: string | null;
}

/** A delivery as it was posted, with the other values that the exchange needs. */
export interface PostedDelivery extends KeyedDelivery {
  /** From the order: Merkle root over the hashes of the user's blinding values. */
  readonly blindRoot: string;
}

/**
 * Reads a delivery from the task's events: the contract stores only its root, its size and one hash.
 * @returns null before the delivery.
 * @throws ProtocolError "network" if the chain does not answer, or if the node does not show an event.
 * @example const delivery = await getDelivery(client, await getTask(client, { id }));
 */
export async function getDelivery(
  client: Client,
  task: GetDeliveryParameters,
): Promise<PostedDelivery | null> {
  const delivery = await readDelivery(client, task);
  if (delivery === null) return null;
  const { blindRoot } = (await readCreation(client, task)).order;
  return { ...delivery, blindRoot };
}

/** Reads a delivery without its order, from the task's last event back to the delivery. */
export async function readDelivery(
  client: Client,
  task: GetDeliveryParameters,
): Promise<KeyedDelivery | null> {
  if (task.root === null) return null;
  let key: string | null = null;
  for await (const event of walkTaskEvents(client, task)) {
    if (event.name === "KeyRevealed") key = event.key;
    if (event.name === "TaskDelivered") return { ...event.delivery, key };
  }
  throw missingEventError(task.movedBlock);
}
