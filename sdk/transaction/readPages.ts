/** Entries per call, well below what a node allows one call to compute. */
export const PAGE_SIZE = 50n;

/** Reads a list of `count` entries page by page, in order. */
export async function readPages<T>(
  count: bigint,
  readPage: (offset: bigint) => Promise<readonly T[]>,
): Promise<T[]> {
  const entries: T[] = [];
  for (let offset = 0n; offset < count; offset += PAGE_SIZE) {
    entries.push(...(await readPage(offset)));
  }
  return entries;
}
