import { ProtocolError } from "../errors.ts";
import { sha256 } from "../platform/index.ts";
import type { Content } from "../storage/files/content.ts";
import { openInput } from "../storage/files/openInput.ts";
import { readFully } from "../storage/files/readFully.ts";
import { SEGMENT_BYTES } from "../storage/tree/segment.ts";
import {
  chunkCount,
  chunkRange,
  DatasetCipher,
  makeHeader,
  sealedDatasetSize,
} from "./DatasetCipher.ts";
import type { UserKey } from "./userKey.ts";

/** The keys that a dataset is encrypted with. */
export interface DatasetSealing {
  /** The provider's encryption key, 33 bytes, as registered on chain. */
  readonly receiverKey: Uint8Array;
  /** The sender's key for this content; `contentHash` has 32 bytes. Different content must get a different key. */
  readonly deriveKey: (contentHash: Uint8Array) => Promise<UserKey>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Encrypts a dataset for upload so that only one provider can read it. Segments are encrypted while they are read, so
 * there is no second file; the caller closes the content.
 * @throws ProtocolError "usage" if the file is missing or empty, "integrity" if the provider's key is not a point of
 * the curve.
 * @example
 * const content = await sealDataset("capitals.jsonl", {
 *   receiverKey: getBytes(service.encryptionKey),
 *   deriveKey: async (contentHash) => datasetKeyFromSignature(await sign(contentHash)),
 * });
 */
export async function sealDataset(
  path: string,
  { receiverKey, deriveKey, signal }: DatasetSealing,
): Promise<Content> {
  const { handle, size } = await openInput(path);
  const readChunk = async (index: number, buffer: Uint8Array) => {
    const { start, end } = chunkRange(index, size);
    const chunk = buffer.subarray(0, end - start);
    await readFully(handle, chunk, start, path);
    return chunk;
  };
  try {
    const digests = await digestsOf(readChunk, chunkCount(size), signal);
    const contentHash = sha256(Buffer.concat(digests));
    const { secret, publicKey: senderKey } = await deriveKey(contentHash);
    const header = makeHeader(senderKey, size);
    const cipher = new DatasetCipher(secret, receiverKey, receiverKey, header);
    return {
      path,
      size: sealedDatasetSize(size),
      async read(index, buffer) {
        const chunk = await readChunk(index, buffer);
        // One key for two contents would reveal both, so a chunk is encrypted only if it is still what the key was
        // derived from.
        if (Buffer.compare(sha256(chunk), digests[index]!) !== 0) throw datasetChangedError(path);
        const head = index === 0 ? [header.bytes] : [];
        const segment = Buffer.concat([...head, cipher.seal(index, chunk)]);
        buffer.set(segment);
        return buffer.subarray(0, segment.length);
      },
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** SHA-256 of every chunk, in order. */
async function digestsOf(
  readChunk: (index: number, buffer: Uint8Array) => Promise<Uint8Array>,
  count: number,
  signal?: AbortSignal,
): Promise<Uint8Array[]> {
  const digests: Uint8Array[] = [];
  const buffer = Buffer.alloc(SEGMENT_BYTES);
  for (let index = 0; index < count; index++) {
    signal?.throwIfAborted();
    digests.push(sha256(await readChunk(index, buffer)));
  }
  return digests;
}

function datasetChangedError(path: string): ProtocolError {
  return new ProtocolError(
    "integrity",
    `${path} changed during encryption.`,
    "Make sure that no other program writes to the file, then try again.",
  );
}
