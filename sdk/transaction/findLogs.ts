import type { Log, TopicFilter } from "ethers";
import type { Client } from "../client.ts";
import { latestBlock } from "./latestBlock.ts";
import { readChain } from "./readChain.ts";
import { searchLogs } from "./searchLogs.ts";

export interface LogQuery {
  readonly topics?: TopicFilter;
  /** First block to search; default: the block of the contracts' deployment. */
  readonly fromBlock?: number;
  /** Last block to search; default: the newest. */
  readonly toBlock?: number;
}

/** Finds events of the serving contract, oldest first. */
export async function findLogs(client: Client, query: LogQuery): Promise<Log[]> {
  const { topics, fromBlock = client.deploymentBlock } = query;
  const toBlock = query.toBlock ?? (await latestBlock(client)).number;
  const address = client.servingAddress;
  return readChain(client, () =>
    searchLogs(client.provider, { address, topics, fromBlock, toBlock }),
  );
}
