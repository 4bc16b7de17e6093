import { CHUNK_BYTES, SEGMENT_CHUNKS } from "../storage/tree/segment.ts";
import { chunkPath, type SealedFile } from "./SealedFile.ts";

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
