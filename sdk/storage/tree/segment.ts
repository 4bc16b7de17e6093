import { hashTree } from "./keccak.ts";

/** Bytes of one chunk, the leaf of the tree; the last chunk of a file is zero-filled. */
export const CHUNK_BYTES = 256;

/** Chunks of one segment. */
export const SEGMENT_CHUNKS = 1024;

/** Bytes of one segment, the unit of transfer: 256 KiB. */
export const SEGMENT_BYTES = CHUNK_BYTES * SEGMENT_CHUNKS;

/**
 * Chunks of the tree of a file of `size` bytes. 0G pads with zero chunks to a multiple of a
 * sixteenth of the next power of two, so that a tree splits into few perfect subtrees.
 */
export function paddedChunkCount(size: number): number {
  const chunks = Math.ceil(size / CHUNK_BYTES);
  let power = 1;
  while (power < chunks) power *= 2;
  const unit = Math.max(1, power / 16);
  return chunks === power ? chunks : Math.ceil(chunks / unit) * unit;
}

/** Segments with bytes of the file, which are sent. */
export function segmentCount(size: number): number {
  return Math.ceil(size / SEGMENT_BYTES);
}

/** Segments of the tree: those that are sent, followed by those of only padding. */
export function paddedSegmentCount(size: number): number {
  return Math.ceil(paddedChunkCount(size) / SEGMENT_CHUNKS);
}

/** Bytes of the file in segment `index`; fewer than SEGMENT_BYTES only in the last one. */
export function segmentLength(index: number, size: number): number {
  return Math.max(0, Math.min(SEGMENT_BYTES, size - index * SEGMENT_BYTES));
}

/** Leaves under segment `index`, including padding. */
export function segmentLeafCount(index: number, size: number): number {
  return Math.min(SEGMENT_CHUNKS, paddedChunkCount(size) - index * SEGMENT_CHUNKS);
}

/** Root of segment `index` of a file of `size` bytes, 32 bytes; `bytes` are unpadded. */
export function segmentRoot(bytes: Uint8Array, index: number, size: number): Uint8Array {
  return hashTree(bytes, segmentLeafCount(index, size));
}

/** Whether `bytes` are segment `index` of a file of `size` bytes; false for a wrong length too. */
export function verifySegment(
  bytes: Uint8Array,
  index: number,
  size: number,
  expectedSegmentRoot: Uint8Array,
): boolean {
  if (bytes.length === 0 || bytes.length !== segmentLength(index, size)) return false;
  return Buffer.compare(segmentRoot(bytes, index, size), expectedSegmentRoot) === 0;
}
