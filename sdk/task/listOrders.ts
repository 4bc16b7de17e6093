import type { Client } from "../client.ts";
import type { TaskId } from "../ids.ts";
import { findLogs } from "../transaction/findLogs.ts";
import { readChain } from "../transaction/readChain.ts";
import { decodeOrder, type RecordedOrder } from "./TaskOrder.ts";

/** An order as recorded in its event. */
export interface ListedOrder extends RecordedOrder {
  readonly id: TaskId;
  readonly blockNumber: number;
}

export interface ListOrdersParameters {
  /** Address of the user. */
  readonly user: string;
  /** Address of the provider; default: all providers. */
  readonly provider?: string | undefined;
}

/**
 * Reads a user's orders, newest first, at one provider or, without `provider`, at all.
 * @throws ProtocolError "network" if the chain does not answer.
 * @example const [newest] = await listOrders(client, { user });
 */
export async function listOrders(
  client: Client,
  { user, provider }: ListOrdersParameters,
): Promise<ListedOrder[]> {
  return readChain(client, async () => {
    const created = client.serving.filters.TaskCreated(undefined, user, provider);
    const logs = await findLogs(client, { topics: await created.getTopicFilter() });
    return logs.toReversed().flatMap((log) => {
      const parsed = client.serving.interface.parseLog(log);
      if (parsed?.name !== "TaskCreated") return [];
      const { id, order } = parsed.args;
      return [{ ...decodeOrder(order), id: id as TaskId, blockNumber: log.blockNumber }];
    });
  });
}
