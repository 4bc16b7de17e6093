import { createHash, randomBytes } from "node:crypto";
import { geometryOf, PAGE_BYTES, parentOf, segmentOf } from "../../../../sdk/exchange/geometry.ts";
import { PageCipher } from "../../../../sdk/exchange/PageCipher.ts";
import type { SealedFile } from "../../../../sdk/exchange/SealedFile.ts";
import type { ExchangeKeys } from "../../../../sdk/exchange/segmentKey.ts";
import type { Root } from "../../../../sdk/ids.ts";
import { rootFromSegments } from "../../../../sdk/storage/tree/RootHasher.ts";
import {
  paddedSegmentCount,
  SEGMENT_BYTES,
  segmentLength,
  segmentRoot,
} from "../../../../sdk/storage/tree/segment.ts";

export interface VirtualFile extends SealedFile {
  readonly root: Root;
  readonly contentRoot: string;
}

/**
 * A sealed file of any size of which only the segments exist that proofs about `pages` need; all others are random
 * nodes of the storage tree. Every one of `pages` matches its entry, except those in `faulty`.
 */
export function makeVirtualFile(
  keys: ExchangeKeys,
  size: number,
  { pages, faulty }: { pages: readonly number[]; faulty: ReadonlySet<number> },
): VirtualFile {
  const geometry = geometryOf(size);
  const { encryptedSize } = geometry;
  const segments = new Map<number, Buffer>();
  const pageAt = (page: number) => {
    const index = segmentOf(page);
    const segment = segments.get(index) ?? randomBytes(segmentLength(index, encryptedSize));
    segments.set(index, segment);
    const start = page * PAGE_BYTES - index * SEGMENT_BYTES;
    return segment.subarray(start, start + PAGE_BYTES);
  };
  let contentRoot = `0x${randomBytes(32).toString("hex")}`;
  // Entries are in pages behind those they are about: in this order no page changes after its digest is computed.
  for (const page of [...pages].sort((a, b) => a - b)) {
    const digest = createHash("sha256").update(pageAt(page)).digest();
    if (faulty.has(page)) digest[page % 32]! ^= 1;
    const parent = parentOf(geometry, page);
    if (parent) pageAt(parent.page).set(digest, parent.entry * 32);
    else contentRoot = `0x${digest.toString("hex")}`;
  }

  const segmentRoots = randomBytes(paddedSegmentCount(encryptedSize) * 32);
  const cipher = new PageCipher(keys);
  for (const [index, clear] of segments) {
    const encrypted = cipher.apply((index * SEGMENT_BYTES) / PAGE_BYTES, clear);
    segments.set(index, encrypted);
    segmentRoots.set(segmentRoot(encrypted, index, encryptedSize), index * 32);
  }
  return {
    segmentRoots,
    root: rootFromSegments(segmentRoots, encryptedSize),
    contentRoot,
    readSegment: async (index) => segments.get(index)!,
  };
}
