import { HASHED_AT_ONCE, segmentHasher } from "../tree/hashThreads.ts";
import { NODE_BYTES } from "../tree/merkle.ts";
import { fillPadding, rootFromSegments, type SegmentList } from "../tree/RootHasher.ts";
import { paddedSegmentCount, SEGMENT_BYTES, segmentCount } from "../tree/segment.ts";
import type { Content } from "./content.ts";
import { inParallel } from "./inParallel.ts";

/** Bytes of a file that are processed, including those of earlier attempts. */
export interface FileProgress {
  readonly bytes: number;
  readonly total: number;
}

export type OnProgress = (progress: FileProgress) => void;

/** Root and segment roots of any content. Reading and hashing of segments overlap. */
export async function rootOfContent(
  content: Content,
  signal?: AbortSignal,
  onProgress?: OnProgress,
): Promise<SegmentList> {
  const { size } = content;
  const hash = segmentHasher(size);
  const count = segmentCount(size);
  const segmentRoots = new Uint8Array(paddedSegmentCount(size) * NODE_BYTES);
  const buffers: Buffer[] = [];
  let bytes = 0;
  const addSegment = async (index: number, worker: number) => {
    buffers[worker] ??= Buffer.alloc(SEGMENT_BYTES);
    const segment = await content.read(index, buffers[worker]);
    segmentRoots.set(await hash(segment, index), index * NODE_BYTES);
    bytes += segment.length;
    onProgress?.({ bytes, total: size });
  };
  const workers = Math.min(count, HASHED_AT_ONCE + 2);
  const indices = Array(count).keys();
  await inParallel(indices, (index, _stop, worker) => addSegment(index, worker), signal, workers);
  fillPadding(segmentRoots, count);
  return { root: rootFromSegments(segmentRoots, size), segmentRoots, size };
}
