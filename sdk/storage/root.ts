import { openContent } from "./files/content.ts";
import { type OnProgress, rootOfContent } from "./files/rootOfContent.ts";
import type { SegmentList } from "./tree/RootHasher.ts";

/**
 * Root and segment roots of the file at `path`; memory does not grow with its bytes.
 * @throws ProtocolError "usage" when the file is missing or empty, "integrity" when it shrinks
 * while it is read; the signal's reason when aborted.
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
