import { hashChunks } from "../storage/tree/keccak.ts";
import { merklePath } from "../storage/tree/merkle.ts";
import { SEGMENT_CHUNKS, segmentLeafCount } from "../storage/tree/segment.ts";

/** An encrypted model that proofs are about. */
export interface SealedFile {
  /** 32 bytes per segment of the storage tree. */
  readonly segmentRoots: Uint8Array;
  /** Reads the bytes of one segment. */
  readSegment(index: number): Promise<Uint8Array>;
}

/** Siblings from a chunk to the storage root; `segment` contains the bytes of the chunk's segment. */
export function chunkPath(
  { segmentRoots }: SealedFile,
  encryptedSize: number,
  segment: Uint8Array,
  chunk: number,
): Uint8Array[] {
  const index = Math.floor(chunk / SEGMENT_CHUNKS);
  const leaves = hashChunks(segment, segmentLeafCount(index, encryptedSize));
  const steps = [...merklePath(leaves, chunk % SEGMENT_CHUNKS), ...merklePath(segmentRoots, index)];
  return steps.map(({ sibling }) => sibling);
}
