import type { Client } from "../client.ts";
import { readChain } from "./readChain.ts";

/** Reads the times of blocks, by number, with one request per block. */
export async function blockTimes(
  client: Client,
  blockNumbers: Iterable<number>,
): Promise<ReadonlyMap<number, Date>> {
  const numbers = [...new Set(blockNumbers)];
  return readChain(client, async () => {
    const blocks = await Promise.all(numbers.map((number) => client.provider.getBlock(number)));
    return new Map(
      blocks.flatMap((block) =>
        block ? [[block.number, new Date(block.timestamp * 1_000)] as const] : [],
      ),
    );
  });
}
