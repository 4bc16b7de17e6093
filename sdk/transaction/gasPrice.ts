import type { Client } from "../client.ts";
import { latestBlock } from "./latestBlock.ts";
import { readChain } from "./readChain.ts";

/** The chain's current price of one unit of gas, in neuron. */
export interface GasPrice {
  /** Base fee of the newest block, which is burned; null on a chain without one, and `tip` is then the whole price. */
  readonly baseFee: bigint | null;
  /** The node's suggestion for the block producer's tip. */
  readonly tip: bigint;
}

/** Base fee and tip together. */
export const totalPrice = ({ baseFee, tip }: GasPrice): bigint => (baseFee ?? 0n) + tip;

/**
 * Reads the base fee of the newest block, and the tip that the node suggests.
 * @param readBlock reads the block
 */
export async function readGasPrice(client: Client, readBlock = latestBlock): Promise<GasPrice> {
  const { provider } = client;
  const [{ baseFee }, tip] = await Promise.all([
    readBlock(client),
    provider.send("eth_maxPriorityFeePerGas", []).then(BigInt, () => null),
  ]);
  if (baseFee !== null && tip !== null) return { baseFee, tip };
  // A node that suggests no tip suggests the whole price.
  const whole = BigInt(await readChain(client, () => provider.send("eth_gasPrice", [])));
  const rest = whole - (baseFee ?? 0n);
  return { baseFee, tip: rest > 0n ? rest : 0n };
}
