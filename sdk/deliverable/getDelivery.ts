import type { Client } from "../client.ts";
import type { Delivery } from "../task/Delivery.ts";
import { fetchTaskEvents } from "../task/taskEvents.ts";
import type { DeliverableParameters } from "./calls.ts";

/** A delivery as it was posted, with the other values that the exchange needs. */
export interface PostedDelivery extends Delivery {
  /** From the order: Merkle root over the hashes of the user's blinding values. */
  readonly blindRoot: string;
  /** The revealed key; null before `reveal`. */
  readonly key: string | null;
}

/**
 * Reads a delivery from the task's events: the contract stores only its root, its size and one hash.
 * @returns null before the delivery.
 * @throws ProtocolError "network" if the chain does not answer.
 * @example const delivery = await getDelivery(client, { id });
 */
export async function getDelivery(
  client: Client,
  { id }: DeliverableParameters,
): Promise<PostedDelivery | null> {
  let blindRoot = "";
  let delivery: Delivery | null = null;
  let key: string | null = null;
  for (const event of await fetchTaskEvents(client, { id })) {
    if (event.name === "TaskCreated") blindRoot = event.order.blindRoot;
    if (event.name === "TaskDelivered") delivery = event.delivery;
    if (event.name === "KeyRevealed") key = event.key;
  }
  return delivery && { ...delivery, blindRoot, key };
}
