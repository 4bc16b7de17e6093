import type { Client } from "../client.ts";
import { readChain } from "./readChain.ts";

/** The chain's newest block. Deadlines are compared with its timestamp and no other clock. */
export interface LatestBlock {
  readonly number: number;
  /** Unix seconds. */
  readonly timestamp: number;
}

/** Reads the newest block. */
export async function latestBlock(client: Client): Promise<LatestBlock> {
  return readChain(client, async () => {
    const block = await client.provider.getBlock("latest");
    if (!block) throw new Error("The RPC endpoint has no latest block.");
    return { number: block.number, timestamp: block.timestamp };
  });
}
