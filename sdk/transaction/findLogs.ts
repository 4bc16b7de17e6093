import type { Log, TopicFilter } from "ethers";
import type { Client } from "../client.ts";
import { decodeRevert } from "./decodeRevert.ts";
import { latestBlock } from "./latestBlock.ts";
import { readNodeError } from "./nodeErrors.ts";

export interface LogQuery {
  readonly topics?: TopicFilter;
  /** First block looked at; the contracts' deployment where it is not given. */
  readonly fromBlock?: number;
  /** Last block looked at, the newest where it is not given. */
  readonly toBlock?: number;
}

/**
 * Finds events of the serving contract, oldest first. A range that the endpoint refuses as too large is halved until
 * it answers.
 */
export async function findLogs(client: Client, query: LogQuery): Promise<Log[]> {
  const fromBlock = query.fromBlock ?? client.deploymentBlock;
  const toBlock = query.toBlock ?? (await latestBlock(client)).number;
  if (fromBlock > toBlock) return [];
  try {
    return await client.provider.getLogs({
      address: client.servingAddress,
      ...(query.topics ? { topics: query.topics } : {}),
      fromBlock,
      toBlock,
    });
  } catch (cause) {
    const isTooMuch = readNodeError(cause)?.kind === "range-too-large";
    if (!isTooMuch || fromBlock === toBlock) throw decodeRevert(client, cause);
    const middle = Math.floor((fromBlock + toBlock) / 2);
    const older = await findLogs(client, { ...query, fromBlock, toBlock: middle });
    const newer = await findLogs(client, { ...query, fromBlock: middle + 1, toBlock });
    return [...older, ...newer];
  }
}
