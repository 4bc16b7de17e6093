import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { formatTaskId, type TaskId } from "../ids.ts";
import { findLogs } from "../transaction/findLogs.ts";
import { readChain } from "../transaction/readChain.ts";
import type { TaskParameters } from "./calls.ts";
import { decodeOrder, type TaskOrder } from "./TaskOrder.ts";

/** An order with the moment at which it was placed. */
export interface PlacedOrder extends TaskOrder {
  readonly createdAt: Date;
  readonly blockNumber: number;
}

/**
 * Reads what was ordered, from the event: the contract stores no more of it than it needs.
 * @throws ProtocolError "not-found" when the chain has no such task.
 * @example const { createdAt, config } = await getTaskOrder(client, { id });
 */
export async function getTaskOrder(client: Client, { id }: TaskParameters): Promise<PlacedOrder> {
  return readChain(client, async () => {
    const created = client.serving.filters.TaskCreated(id);
    const [log] = await findLogs(client, { topics: await created.getTopicFilter() });
    if (!log) throw notFound(id);
    const parsed = client.serving.interface.parseLog(log);
    const block = await client.provider.getBlock(log.blockNumber);
    if (parsed?.name !== "TaskCreated" || !block) throw notFound(id);
    return {
      ...decodeOrder(parsed.args.order),
      createdAt: new Date(block.timestamp * 1_000),
      blockNumber: log.blockNumber,
    };
  });
}

function notFound(id: TaskId): ProtocolError {
  return new ProtocolError(
    "not-found",
    `The order of task ${formatTaskId(id)} is not on this network.`,
    "See your tasks.",
    { next: { verb: "listTasks", parameters: {} } },
  );
}
