import { hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import type { Root } from "../ids.ts";
import { openInput } from "../storage/openInput.ts";
import { openOutput } from "../storage/openOutput.ts";
import { writeAtomically } from "../storage/publishFile.ts";
import { readFully } from "../storage/readFully.ts";
import { RootHasher } from "../storage/root.ts";
import { SEGMENT_BYTES } from "../storage/segment.ts";
import { writeFully } from "../storage/writeFully.ts";
import {
  DIGEST_BYTES,
  type Geometry,
  geometryOf,
  PAGE_BYTES,
  PAGE_ENTRIES,
  SEGMENT_PAGES,
} from "./geometry.ts";
import { PageCipher } from "./pageCipher.ts";
import type { ExchangeKeys } from "./segmentKey.ts";

/** What `deliver` posts about a sealed file, and the bytes it takes in storage. */
export interface Sealed {
  /** Bytes of the plaintext. */
  readonly size: number;
  /** SHA-256 of the top page in clear, 0x-hex. */
  readonly contentRoot: `0x${string}`;
  /** Storage root of the encrypted file. */
  readonly root: Root;
  /** Bytes of the encrypted file. */
  readonly encryptedSize: number;
}

/**
 * Encrypts a file into the container of the exchange. The same input gives the same bytes, so a
 * provider that crashed can do it again. Memory does not grow with the file.
 * @throws ProtocolError "usage" when a path is not usable, "integrity" when the file shrinks
 * meanwhile; the signal's reason when aborted.
 */
export async function sealFile(
  plainPath: string,
  encryptedPath: string,
  { signal, ...keys }: ExchangeKeys & { signal?: AbortSignal },
): Promise<Sealed> {
  const { handle: plain, size } = await openInput(plainPath);
  try {
    const cipher = new PageCipher(keys);
    const geometry = geometryOf(size);
    const hasher = new RootHasher();
    const contentRoot = await writeAtomically(encryptedPath, async (temporary) => {
      const encrypted = await openOutput(temporary);
      try {
        const pages = new PageWriter(geometry, async (page, clear) => {
          const bytes = cipher.apply(page, clear);
          await writeFully(encrypted, bytes, page * PAGE_BYTES);
          return bytes;
        });
        const update = (bytes: Buffer) => hasher.update(bytes);
        const top = await addData(plain, plainPath, pages, update, signal);
        await hashRest(encrypted, temporary, geometry, hasher, signal);
        return top;
      } finally {
        await encrypted.close();
      }
    });
    const { root } = hasher.digest();
    return { size, contentRoot, root, encryptedSize: geometry.encryptedSize };
  } finally {
    await plain.close();
  }
}

/** contentRoot of a file that is not encrypted: whether it is what a deliverable holds. */
export async function contentRootOf(path: string): Promise<`0x${string}`> {
  const { handle, size } = await openInput(path);
  try {
    const pages = new PageWriter(geometryOf(size), async (_, clear) => clear);
    return await addData(handle, path, pages);
  } finally {
    await handle.close();
  }
}

/**
 * Puts all data pages in, a segment's worth at a time.
 * @param onWritten gets them as they were written.
 * @returns contentRoot.
 */
async function addData(
  plain: FileHandle,
  plainPath: string,
  pages: PageWriter,
  onWritten: (bytes: Buffer) => void = () => undefined,
  signal?: AbortSignal,
): Promise<`0x${string}`> {
  const { size, levels } = pages.geometry;
  for (let first = 0; first < levels[0]!.pages; first += SEGMENT_PAGES) {
    signal?.throwIfAborted();
    const count = Math.min(SEGMENT_PAGES, levels[0]!.pages - first);
    const clear = Buffer.alloc(count * PAGE_BYTES);
    const start = first * PAGE_BYTES;
    await readFully(plain, clear.subarray(0, size - start), start, plainPath);
    onWritten(await pages.writeData(first, clear));
  }
  return pages.finish();
}

/** Feeds what lies behind the data pages, which is written out of order, to the storage root. */
async function hashRest(
  encrypted: FileHandle,
  path: string,
  { levels, encryptedSize }: Geometry,
  hasher: RootHasher,
  signal?: AbortSignal,
): Promise<void> {
  let at = levels[0]!.pages * PAGE_BYTES;
  while (at < encryptedSize) {
    signal?.throwIfAborted();
    const bytes = Buffer.alloc(Math.min(SEGMENT_BYTES, encryptedSize - at));
    await readFully(encrypted, bytes, at, path);
    hasher.update(bytes);
    at += bytes.length;
  }
}

/** Writes pages from this number on. @returns them as they were written. */
type Put = (page: number, clear: Buffer) => Promise<Buffer>;

/**
 * Puts pages where the geometry wants them. The digest of each goes into the hash page above,
 * which is written as soon as it is full: one page per level is all there is in memory.
 */
class PageWriter {
  readonly geometry: Geometry;
  readonly #put: Put;
  /** Per level, the page that fills up, and the digests that went into this level so far. */
  readonly #open: { page: Buffer; digests: number }[];
  #contentRoot: `0x${string}` = "0x";

  constructor(geometry: Geometry, put: Put) {
    this.geometry = geometry;
    this.#put = put;
    this.#open = geometry.levels.map(() => ({ page: Buffer.alloc(PAGE_BYTES), digests: 0 }));
  }

  /** Writes data pages of one segment. @returns them as they were written. */
  async writeData(firstPage: number, clear: Buffer): Promise<Buffer> {
    const written = await this.#put(firstPage, clear);
    for (let at = 0; at < clear.length; at += PAGE_BYTES) {
      await this.#addDigest(1, clear.subarray(at, at + PAGE_BYTES));
    }
    return written;
  }

  /** Writes the hash pages that are not full. @returns contentRoot. */
  async finish(): Promise<`0x${string}`> {
    for (let level = 1; level < this.#open.length; level++) {
      if (this.#open[level]!.digests % PAGE_ENTRIES !== 0) await this.#flush(level);
    }
    return this.#contentRoot;
  }

  /** Puts the digest of a page of the level below into `level`; above the top it is contentRoot. */
  async #addDigest(level: number, page: Buffer): Promise<void> {
    const digest = hash("sha256", page, "buffer");
    const open = this.#open[level];
    if (!open) {
      this.#contentRoot = `0x${digest.toString("hex")}`;
      return;
    }
    open.page.set(digest, (open.digests * DIGEST_BYTES) % PAGE_BYTES);
    open.digests++;
    if (open.digests % PAGE_ENTRIES === 0) await this.#flush(level);
  }

  async #flush(level: number): Promise<void> {
    const open = this.#open[level]!;
    const position = Math.ceil(open.digests / PAGE_ENTRIES) - 1;
    const number = this.geometry.levels[level]!.firstPage + position;
    await this.#put(number, open.page);
    await this.#addDigest(level + 1, open.page);
    open.page.fill(0);
  }
}
