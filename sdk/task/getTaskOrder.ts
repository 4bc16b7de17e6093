import type { Client } from "../client.ts";
import { missingEventError } from "../transaction/blockLogs.ts";
import { readChain } from "../transaction/readChain.ts";
import type { Task } from "./Task.ts";
import type { RecordedOrder } from "./TaskOrder.ts";
import { readTaskBlock, type TaskEvent } from "./taskEvents.ts";

/** A task, with the block of its order. */
export type TaskOrderParameters = Pick<Task, "id" | "createdBlock">;

/** An order with the block and the time at which it was placed. */
export interface PlacedOrder extends RecordedOrder {
  readonly createdAt: Date;
  readonly blockNumber: number;
}

/**
 * Reads an order from its event: the contract stores only the parts that it needs.
 * @throws ProtocolError "network" if the chain does not answer, or if the node does not show the event.
 * @example
 * const task = await getTask(client, { id });
 * const { createdAt, config } = await getTaskOrder(client, task);
 */
export async function getTaskOrder(
  client: Client,
  task: TaskOrderParameters,
): Promise<PlacedOrder> {
  const { createdBlock: blockNumber } = task;
  const [{ order }, block] = await Promise.all([
    readCreation(client, task),
    readChain(client, () => client.provider.getBlock(blockNumber)),
  ]);
  if (!block) throw missingEventError(blockNumber);
  return { ...order, createdAt: new Date(block.timestamp * 1_000), blockNumber };
}

/** The first event of a task, with its order, read with one request. */
export async function readCreation(
  client: Client,
  { id, createdBlock: block }: TaskOrderParameters,
): Promise<Extract<TaskEvent, { name: "TaskCreated" }>> {
  const [first] = await readTaskBlock(client, { id, block });
  if (first?.name !== "TaskCreated") throw missingEventError(block);
  return first;
}
