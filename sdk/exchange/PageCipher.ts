import { createCipheriv } from "node:crypto";
import { PAGE_BYTES, SEGMENT_PAGES, segmentOf } from "./geometry.ts";
import { type ExchangeKeys, segmentKey } from "./segmentKey.ts";

/** ChaCha20 blocks (64 bytes) of one page. */
const PAGE_BLOCKS = PAGE_BYTES / 64;

/** Encrypts and decrypts pages, the same operation: XOR with the ChaCha20 stream (RFC 8439). */
export class PageCipher {
  readonly #keys: ExchangeKeys;
  #segment = -1;
  #key: Uint8Array = new Uint8Array(0);

  constructor(keys: ExchangeKeys) {
    this.#keys = keys;
  }

  /** `bytes` are whole pages from page `firstPage` on, all in one segment. Returns new bytes. */
  apply(firstPage: number, bytes: Uint8Array): Buffer {
    const segment = segmentOf(firstPage);
    if (segment !== this.#segment) {
      this.#key = segmentKey(this.#keys, segment);
      this.#segment = segment;
    }
    // OpenSSL takes the block counter and the nonce of the RFC as one value of 16 bytes.
    const counterAndNonce = Buffer.alloc(16);
    counterAndNonce.writeUInt32LE((firstPage % SEGMENT_PAGES) * PAGE_BLOCKS, 0);
    counterAndNonce.writeUInt32LE(segment, 4);
    return createCipheriv("chacha20", this.#key, counterAndNonce).update(bytes);
  }
}
