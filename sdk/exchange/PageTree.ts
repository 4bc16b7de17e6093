import type { FileHandle } from "node:fs/promises";
import { hexlify } from "ethers";
import { sha256 } from "../platform/index.ts";
import { openInput } from "../storage/files/openInput.ts";
import { readFully } from "../storage/files/readFully.ts";
import {
  DIGEST_BYTES,
  type Geometry,
  geometryOf,
  PAGE_BYTES,
  PAGE_ENTRIES,
  SEGMENT_PAGES,
} from "./geometry.ts";

/**
 * Builds the hash pages over a plaintext as its data pages arrive. The digest of each page goes into the hash page
 * above, which is emitted as soon as it is full, so only one page per level is in memory.
 */
export class PageTree {
  readonly #geometry: Geometry;
  readonly #onHashPage: (number: number, page: Buffer) => Promise<void>;
  /** Per level, the page being filled, and the number of digests added to the level so far. */
  readonly #open: { page: Buffer; digests: number }[];
  #contentRoot: `0x${string}` = "0x";

  /**
   * @param onHashPage receives a hash page in plaintext, with its number in the file; the buffer is reused afterwards
   */
  constructor(geometry: Geometry, onHashPage: (number: number, page: Buffer) => Promise<void>) {
    this.#geometry = geometry;
    this.#onHashPage = onHashPage;
    this.#open = geometry.levels.map(() => ({ page: Buffer.alloc(PAGE_BYTES), digests: 0 }));
  }

  /** Adds the next data pages, in plaintext. */
  async add(clear: Buffer): Promise<void> {
    for (let at = 0; at < clear.length; at += PAGE_BYTES)
      await this.#addDigest(1, clear.subarray(at, at + PAGE_BYTES));
  }

  /** Emits the hash pages that are not full. @returns contentRoot. */
  async finish(): Promise<`0x${string}`> {
    for (let level = 1; level < this.#open.length; level++) {
      if (this.#open[level]!.digests % PAGE_ENTRIES !== 0) await this.#flush(level);
    }
    return this.#contentRoot;
  }

  /** Adds the digest of a page of the level below to `level`; above the top it is contentRoot. */
  async #addDigest(level: number, page: Buffer): Promise<void> {
    const digest = sha256(page);
    const open = this.#open[level];
    if (!open) {
      this.#contentRoot = hexlify(digest) as `0x${string}`;
      return;
    }
    open.page.set(digest, (open.digests * DIGEST_BYTES) % PAGE_BYTES);
    open.digests++;
    if (open.digests % PAGE_ENTRIES === 0) await this.#flush(level);
  }

  async #flush(level: number): Promise<void> {
    const open = this.#open[level]!;
    const position = Math.ceil(open.digests / PAGE_ENTRIES) - 1;
    await this.#onHashPage(this.#geometry.levels[level]!.firstPage + position, open.page);
    await this.#addDigest(level + 1, open.page);
    open.page.fill(0);
  }
}

/** Reads the data pages of a plaintext, one segment at a time, each with the number of its first page. */
export async function* readDataPages(
  plain: FileHandle,
  path: string,
  { size, levels }: Geometry,
  signal?: AbortSignal,
): AsyncGenerator<readonly [first: number, clear: Buffer]> {
  for (let first = 0; first < levels[0]!.pages; first += SEGMENT_PAGES) {
    signal?.throwIfAborted();
    const count = Math.min(SEGMENT_PAGES, levels[0]!.pages - first);
    const clear = Buffer.alloc(count * PAGE_BYTES);
    const start = first * PAGE_BYTES;
    await readFully(plain, clear.subarray(0, size - start), start, path);
    yield [first, clear];
  }
}

/**
 * The contentRoot of a file. It depends on the plaintext alone, not on the key.
 * @throws ProtocolError "usage" if the path is not usable, "integrity" if the file shrinks meanwhile; the signal's
 * reason if aborted.
 */
export async function contentRootOf(path: string, signal?: AbortSignal): Promise<`0x${string}`> {
  const { handle: plain, size } = await openInput(path);
  try {
    const geometry = geometryOf(size);
    const tree = new PageTree(geometry, async () => undefined);
    for await (const [, clear] of readDataPages(plain, path, geometry, signal))
      await tree.add(clear);
    return await tree.finish();
  } finally {
    await plain.close();
  }
}
