import type { Client } from "../client.ts";
import { readChain } from "./readChain.ts";

/** The chain's newest block. Deadlines are compared with its timestamp and no other clock. */
export interface LatestBlock {
  readonly number: number;
  /** Unix seconds. */
  readonly timestamp: number;
  /** Neuron per unit of gas that is burned; null on a chain without a base fee. */
  readonly baseFee: bigint | null;
}

/** Milliseconds for which a block is recent. */
const RECENT_MS = 2_000;

const lastRead = new WeakMap<Client["provider"], { block: LatestBlock; at: number }>();

/** Reads the newest block. */
export async function latestBlock(client: Client): Promise<LatestBlock> {
  const { provider } = client;
  return readChain(client, async () => {
    const block = await provider.getBlock("latest");
    if (!block) throw new Error("The RPC endpoint has no latest block.");
    const { number, timestamp, baseFeePerGas: baseFee } = block;
    lastRead.set(provider, { block: { number, timestamp, baseFee }, at: performance.now() });
    return { number, timestamp, baseFee };
  });
}

/** The newest block, or one that was the newest two seconds ago, which spares a request. */
export async function recentBlock(client: Client): Promise<LatestBlock> {
  const last = lastRead.get(client.provider);
  if (last && performance.now() - last.at < RECENT_MS) return last.block;
  return latestBlock(client);
}
