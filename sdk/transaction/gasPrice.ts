import type { Client } from "../client.ts";
import { readChain } from "./readChain.ts";

/** What the chain asks for one unit of gas at the moment, in neuron. */
export interface GasPrice {
  /** Of the newest block, burned; null on a chain that has none, where `tip` is the whole price. */
  readonly baseFee: bigint | null;
  /** What the node suggests to pay whoever makes the block. */
  readonly tip: bigint;
}

/** Base fee and tip together. */
export const totalPrice = ({ baseFee, tip }: GasPrice): bigint => (baseFee ?? 0n) + tip;

/** Reads the base fee of the newest block, and the tip that the node suggests. */
export function readGasPrice(client: Client): Promise<GasPrice> {
  const { provider } = client;
  return readChain(client, async () => {
    const [block, tip] = await Promise.all([
      provider.getBlock("latest"),
      provider.send("eth_maxPriorityFeePerGas", []).then(BigInt, () => null),
    ]);
    if (!block) throw new Error("The RPC endpoint knows no latest block.");
    const baseFee = block.baseFeePerGas;
    if (baseFee !== null && tip !== null) return { baseFee, tip };
    // A node without suggestions for tips has one for the whole price.
    const whole = BigInt(await provider.send("eth_gasPrice", []));
    const rest = whole - (baseFee ?? 0n);
    return { baseFee, tip: rest > 0n ? rest : 0n };
  });
}
