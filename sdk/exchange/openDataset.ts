import type { FileHandle } from "node:fs/promises";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { ProtocolError } from "../errors.ts";
import { openInput } from "../storage/files/openInput.ts";
import { openOutput } from "../storage/files/openOutput.ts";
import { writeAtomically } from "../storage/files/publishFile.ts";
import { readFully } from "../storage/files/readFully.ts";
import { writeFully } from "../storage/files/writeFully.ts";
import { SEGMENT_BYTES, segmentLength } from "../storage/tree/segment.ts";
import {
  chunkCount,
  chunkRange,
  DatasetCipher,
  type DatasetHeader,
  HEADER_BYTES,
  readHeader,
  sealedDatasetSize,
} from "./DatasetCipher.ts";

/**
 * Reads the header of an encrypted dataset; null for any other file.
 * @throws ProtocolError "usage" if the file is missing or empty.
 * @example const isSealed = (await readDatasetHeader("dataset.sealed")) !== null;
 */
export async function readDatasetHeader(path: string): Promise<DatasetHeader | null> {
  const { handle, size } = await openInput(path);
  try {
    const start = Buffer.alloc(Math.min(size, HEADER_BYTES));
    await readFully(handle, start, 0, path);
    return readHeader(start);
  } finally {
    await handle.close();
  }
}

export interface OpenDatasetParameters {
  /** The provider's encryption key, 32 bytes. */
  readonly secret: Uint8Array;
  readonly signal?: AbortSignal;
}

/** The dataset that was decrypted. */
export interface OpenedDataset {
  /** Bytes of the plaintext. */
  readonly size: number;
}

/**
 * Decrypts a dataset that was encrypted for this provider. `outputPath` appears only if every chunk is authentic and
 * the size matches the header. Memory use does not depend on the size of the file.
 * @throws ProtocolError "integrity" if it was encrypted for another key or changed; the signal's reason if aborted.
 * @example const { size } = await openDataset("dataset.sealed", "capitals.jsonl", { secret });
 */
export async function openDataset(
  sealedPath: string,
  outputPath: string,
  { secret, signal }: OpenDatasetParameters,
): Promise<OpenedDataset> {
  const header = await readDatasetHeader(sealedPath);
  const { handle: sealed, size: sealedSize } = await openInput(sealedPath);
  try {
    if (!header || sealedDatasetSize(header.size) !== sealedSize) throw notAuthenticError();
    const cipher = cipherFor(secret, header);
    const read = (index: number) => readSegment(sealed, index, sealedSize, sealedPath);
    await writeAtomically(outputPath, async (temporary) => {
      const output = await openOutput(temporary);
      try {
        const count = chunkCount(header.size);
        for (let index = 0; index < count; index++) {
          signal?.throwIfAborted();
          const segment = await read(index);
          const chunk = openChunk(cipher, index, segment.subarray(index === 0 ? HEADER_BYTES : 0));
          await writeFully(output, chunk, chunkRange(index, header.size).start);
        }
      } finally {
        await output.close();
      }
    });
    return { size: header.size };
  } finally {
    await sealed.close();
  }
}

function cipherFor(secret: Uint8Array, header: DatasetHeader): DatasetCipher {
  const receiverKey = secp256k1.getPublicKey(secret, true);
  return new DatasetCipher(secret, header.senderKey, receiverKey, header);
}

async function readSegment(
  file: FileHandle,
  index: number,
  size: number,
  path: string,
): Promise<Buffer> {
  const segment = Buffer.alloc(segmentLength(index, size));
  await readFully(file, segment, index * SEGMENT_BYTES, path);
  return segment;
}

function openChunk(cipher: DatasetCipher, index: number, sealed: Uint8Array): Uint8Array {
  try {
    return cipher.open(index, sealed);
  } catch (cause) {
    throw notAuthenticError(cause);
  }
}

function notAuthenticError(cause?: unknown): ProtocolError {
  return new ProtocolError(
    "integrity",
    "The dataset was encrypted for another provider, or was changed.",
    "Upload it again, encrypted for the provider that the task is for.",
    { cause },
  );
}
