import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { formatTaskId, type TaskId } from "../ids.ts";
import { findLogs } from "../transaction/findLogs.ts";
import { readChain } from "../transaction/readChain.ts";
import type { TaskParameters } from "./calls.ts";
import { decodeOrder, type RecordedOrder } from "./TaskOrder.ts";

/** An order with the block and the time at which it was placed. */
export interface PlacedOrder extends RecordedOrder {
  readonly createdAt: Date;
  readonly blockNumber: number;
}

/**
 * Reads an order from its event: the contract stores only the parts that it needs.
 * @throws ProtocolError "not-found" if there is no such task.
 * @example const { createdAt, config } = await getTaskOrder(client, { id });
 */
export async function getTaskOrder(client: Client, { id }: TaskParameters): Promise<PlacedOrder> {
  return readChain(client, async () => {
    const created = client.serving.filters.TaskCreated(id);
    const [log] = await findLogs(client, { topics: await created.getTopicFilter() });
    if (!log) throw orderNotFoundError(id);
    const parsed = client.serving.interface.parseLog(log);
    const block = await client.provider.getBlock(log.blockNumber);
    if (parsed?.name !== "TaskCreated" || !block) throw orderNotFoundError(id);
    return {
      ...decodeOrder(parsed.args.order),
      createdAt: new Date(block.timestamp * 1_000),
      blockNumber: log.blockNumber,
    };
  });
}

function orderNotFoundError(id: TaskId): ProtocolError {
  return new ProtocolError(
    "not-found",
    `There is no order of task ${formatTaskId(id)} on this network.`,
    "See your tasks.",
    { next: { verb: "listTasks", parameters: {} } },
  );
}
