import { chacha20 } from "../platform/index.ts";
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
    const nonce = Buffer.alloc(12);
    nonce.writeUInt32LE(segment);
    const block = (firstPage % SEGMENT_PAGES) * PAGE_BLOCKS;
    return asBuffer(chacha20(this.#key, block, nonce, bytes));
  }
}

/** The same bytes, not a copy. */
const asBuffer = ({ buffer, byteOffset, length }: Uint8Array) =>
  Buffer.from(buffer, byteOffset, length);
