import { openContent } from "./files/content.ts";
import { type OnProgress, rootOfContent } from "./files/rootOfContent.ts";
import type { SegmentList } from "./tree/RootHasher.ts";

/**
 * Root and segment roots of the file at `path`. Memory use does not depend on its size, except for 32 bytes per
 * segment.
 * @throws ProtocolError "usage" if the file is missing or empty, "integrity" if it shrinks while it is read; the
 * signal's reason if aborted.
 * @example const { root, size } = await rootOfFile("capitals.jsonl");
 */
export async function rootOfFile(
  path: string,
  signal?: AbortSignal,
  onProgress?: OnProgress,
): Promise<SegmentList> {
  const content = await openContent(path);
  try {
    return await rootOfContent(content, signal, onProgress);
  } finally {
    await content.close();
  }
}
