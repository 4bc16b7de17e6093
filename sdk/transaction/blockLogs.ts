import type { Log, TopicFilter } from "ethers";
import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { readChain } from "./readChain.ts";

/**
 * Reads the events of the serving contract in one block, in order, with one request. Which block that is, the contract
 * says: in its views, and in the events themselves.
 * @throws ProtocolError "network" if there are none: the node lags behind, or the chain was reorganized.
 */
export async function blockLogs(
  client: Client,
  blockNumber: number,
  topics: TopicFilter,
): Promise<Log[]> {
  const filter = { address: client.servingAddress, topics };
  const logs = await readChain(client, () =>
    client.provider.getLogs({ ...filter, fromBlock: blockNumber, toBlock: blockNumber }),
  );
  if (logs.length === 0 || logs.some((log) => log.blockNumber !== blockNumber))
    throw missingEventError(blockNumber);
  return logs.toSorted((a, b) => a.index - b.index);
}

/** The node does not show an event that the contract says is in this block. The same request may succeed later. */
export function missingEventError(blockNumber: number): ProtocolError {
  return new ProtocolError(
    "network",
    `The chain's node does not show the event that the contract recorded in block ${blockNumber}.`,
    "The node lags behind, or the chain was reorganized. Try again in a moment, or use another endpoint.",
    { next: { setting: "rpcUrl" } },
  );
}
