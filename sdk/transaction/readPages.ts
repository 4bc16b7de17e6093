/** Entries per call, well below what a node allows one call to compute. */
export const PAGE_SIZE = 50;

/** Reads a list page by page, in order, until a page is not full. */
export async function readPages<T>(
  readPage: (offset: number) => Promise<readonly T[]>,
): Promise<T[]> {
  const entries: T[] = [];
  for (let offset = 0; ; offset += PAGE_SIZE) {
    const page = await readPage(offset);
    entries.push(...page);
    if (page.length < PAGE_SIZE) return entries;
  }
}
