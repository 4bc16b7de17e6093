import type { JsonRpcProvider } from "ethers";

/** The gas cost of the whole task, from the user's wallet before and after. */
export async function gasOf(
  rpc: JsonRpcProvider,
  address: string,
): Promise<{ gas: bigint; cost: bigint }> {
  const last = await rpc.getBlockNumber();
  const numbers = Array.from({ length: last }, (_, index) => index + 1);
  const blocks = await Promise.all(numbers.map((number) => rpc.getBlock(number)));
  const hashes = blocks.flatMap((block) => block?.transactions ?? []);
  const receipts = await Promise.all(hashes.map((hash) => rpc.getTransactionReceipt(hash)));
  const mine = receipts.filter((receipt) => receipt?.from === address);
  return {
    gas: mine.reduce((sum, receipt) => sum + receipt!.gasUsed, 0n),
    cost: mine.reduce((sum, receipt) => sum + receipt!.fee, 0n),
  };
}
