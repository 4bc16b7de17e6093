import { hashChunks } from "../storage/tree/keccak.ts";
import { merklePath } from "../storage/tree/merkle.ts";
import { CHUNK_BYTES, SEGMENT_CHUNKS, segmentLeafCount } from "../storage/tree/segment.ts";

/** An encrypted model that proofs are about. */
export interface SealedFile {
  /** 32 bytes per segment of the storage tree. */
  readonly segmentRoots: Uint8Array;
  /** Reads the bytes of one segment. */
  readSegment(index: number): Promise<Uint8Array>;
}

/** Shows that the file has a chunk at its place. */
export interface ChunkProof {
  /** 256 bytes, encrypted. */
  readonly chunk: Uint8Array;
  /** Siblings (32 bytes each) from the chunk to the storage root; a node that moves up unchanged adds none. */
  readonly path: readonly Uint8Array[];
}

export interface BuildChunkProofParameters {
  /** Bytes of the file, a multiple of 4,096. */
  readonly encryptedSize: number;
  /** Number of the chunk, below encryptedSize / 256. */
  readonly index: number;
}

/**
 * Proves a chunk of an encrypted model, as `answerChunk` takes it. Reads one segment of the file.
 * @example
 * const { encryptedSize } = geometryOf(task.size);
 * const proof = await buildChunkProof(file, { encryptedSize, index: task.chunk });
 */
export async function buildChunkProof(
  file: SealedFile,
  { encryptedSize, index }: BuildChunkProofParameters,
): Promise<ChunkProof> {
  const segment = await file.readSegment(Math.floor(index / SEGMENT_CHUNKS));
  const start = (index % SEGMENT_CHUNKS) * CHUNK_BYTES;
  return {
    chunk: segment.slice(start, start + CHUNK_BYTES),
    path: chunkPath(file, encryptedSize, segment, index),
  };
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
