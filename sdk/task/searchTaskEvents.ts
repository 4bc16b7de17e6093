import { zeroPadValue } from "ethers";
import type { Client } from "../client.ts";
import { readChain } from "../transaction/readChain.ts";
import { searchLogs } from "../transaction/searchLogs.ts";
import { decodeTaskEvent, type TaskEvent } from "./taskEvents.ts";

/** Which events to search for. Both ends of the range are included. */
export interface SearchTaskEventsParameters {
  /** Address of the tasks' provider. */
  readonly provider: string;
  readonly fromBlock: number;
  readonly toBlock: number;
}

/**
 * Finds the events of all tasks of one provider in a range of blocks, oldest first, with as many requests as the
 * endpoint's limits need. fetchTaskEvents reads those of one task without a search.
 * @throws ProtocolError "network" if the chain does not answer.
 * @example const events = await searchTaskEvents(client, { provider, fromBlock: 0, toBlock: 5_000 });
 */
export async function searchTaskEvents(
  client: Client,
  { provider, fromBlock, toBlock }: SearchTaskEventsParameters,
): Promise<TaskEvent[]> {
  const topics = [null, null, null, zeroPadValue(provider, 32)];
  const search = { address: client.servingAddress, topics, fromBlock, toBlock };
  const logs = await readChain(client, () => searchLogs(client.provider, search));
  return logs.flatMap((log) => decodeTaskEvent(client, log) ?? []);
}
