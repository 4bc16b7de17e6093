import { hkdfSha256, openChacha20Poly1305, sealChacha20Poly1305 } from "../platform/index.ts";
import { SEGMENT_BYTES } from "../storage/tree/segment.ts";
import { sharedX } from "./sharedX.ts";

/**
 * The format of a dataset that only one provider can read (docs/storage.md): segment i of the file is chunk i of the
 * plaintext under ChaCha20-Poly1305, and the first segment starts with the header. Every segment can therefore be
 * encrypted and sent independently.
 */

/** Starts with a zero byte, as no text does. The last byte is the version. */
const MAGIC = Buffer.from("\0ANNEAL\u0001", "latin1");
const POINT_BYTES = 33;
const TAG_BYTES = 16;

/** Magic, the sender's public key, the plaintext's size (8 bytes, big-endian), and zeros. */
export const HEADER_BYTES = 64;
const SIZE_AT = MAGIC.length + POINT_BYTES;

const CHUNK_BYTES = SEGMENT_BYTES - TAG_BYTES;
const FIRST_CHUNK_BYTES = CHUNK_BYTES - HEADER_BYTES;

export interface DatasetHeader {
  /** Compressed point, 33 bytes. */
  readonly senderKey: Uint8Array;
  /** Bytes of the plaintext. */
  readonly size: number;
  /** The whole header, as in the file. */
  readonly bytes: Uint8Array;
}

/** Chunks of a plaintext of `size` bytes. */
export function chunkCount(size: number): number {
  return 1 + Math.ceil(Math.max(0, size - FIRST_CHUNK_BYTES) / CHUNK_BYTES);
}

/** Where chunk `index` of a plaintext of `size` bytes starts and ends. */
export function chunkRange(index: number, size: number): { start: number; end: number } {
  const end = FIRST_CHUNK_BYTES + index * CHUNK_BYTES;
  return { start: index === 0 ? 0 : end - CHUNK_BYTES, end: Math.min(end, size) };
}

/** Bytes of the encrypted file for a plaintext of `size` bytes. */
export function sealedDatasetSize(size: number): number {
  return HEADER_BYTES + size + TAG_BYTES * chunkCount(size);
}

export function makeHeader(senderKey: Uint8Array, size: number): DatasetHeader {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.set(MAGIC);
  bytes.set(senderKey, MAGIC.length);
  bytes.writeBigUInt64BE(BigInt(size), SIZE_AT);
  return { senderKey, size, bytes };
}

/** Parses the first HEADER_BYTES of a file; null if it is not an encrypted dataset. */
export function readHeader(bytes: Buffer): DatasetHeader | null {
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  const size = Number(bytes.readBigUInt64BE(SIZE_AT));
  const senderKey = bytes.subarray(MAGIC.length, SIZE_AT);
  return { senderKey, size, bytes: bytes.subarray(0, HEADER_BYTES) };
}

/**
 * The cipher of one dataset, from one party's secret key and the other's public key. Its key is bound to the receiver
 * and, through the salt, to the whole header, which therefore cannot be changed.
 * @throws ProtocolError "integrity" if the public key is not a point of the curve.
 */
export class DatasetCipher {
  readonly #key: Uint8Array;
  readonly #size: number;

  constructor(
    secret: Uint8Array,
    publicKey: Uint8Array,
    receiverKey: Uint8Array,
    header: DatasetHeader,
  ) {
    const x = sharedX(secret, publicKey);
    const info = Buffer.concat([Buffer.from("anneal/dataset/v1"), receiverKey]);
    this.#key = hkdfSha256(x, header.bytes, info, 32);
    this.#size = header.size;
  }

  /** Encrypts chunk `index` and appends its tag. A key must never encrypt two different chunks with the same index. */
  seal(index: number, chunk: Uint8Array): Uint8Array {
    return sealChacha20Poly1305(this.#key, this.#nonce(index), chunk);
  }

  /** @throws Error if the bytes are not chunk `index` as sealed for this receiver. */
  open(index: number, sealed: Uint8Array): Uint8Array {
    return openChacha20Poly1305(this.#key, this.#nonce(index), sealed);
  }

  /** The chunk's number, then whether it is the last, so that neither order nor end can be changed (STREAM). */
  #nonce(index: number): Buffer {
    const nonce = Buffer.alloc(12);
    nonce.writeUInt32BE(index, 7);
    nonce[11] = Number(index === chunkCount(this.#size) - 1);
    return nonce;
  }
}
