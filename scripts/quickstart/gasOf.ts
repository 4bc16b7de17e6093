import type { JsonRpcProvider } from "ethers";

/** Neuron that an account has paid for gas since the first block. */
export async function gasOf(rpc: JsonRpcProvider, address: string): Promise<bigint> {
  const last = await rpc.getBlockNumber();
  const numbers = Array.from({ length: last }, (_, index) => index + 1);
  const blocks = await Promise.all(numbers.map((number) => rpc.getBlock(number)));
  const hashes = blocks.flatMap((block) => block?.transactions ?? []);
  const receipts = await Promise.all(hashes.map((hash) => rpc.getTransactionReceipt(hash)));
  const own = receipts.filter((receipt) => receipt?.from === address);
  return own.reduce((sum, receipt) => sum + receipt!.fee, 0n);
}
