import type { FileHandle } from "node:fs/promises";
import { ProtocolError } from "../errors.ts";
import { sha256 } from "../platform/index.ts";
import { openInput } from "../storage/files/openInput.ts";
import { openOutput } from "../storage/files/openOutput.ts";
import { writeAtomically } from "../storage/files/publishFile.ts";
import { readFully } from "../storage/files/readFully.ts";
import { writeFully } from "../storage/files/writeFully.ts";
import {
  DIGEST_BYTES,
  type Geometry,
  geometryOf,
  PAGE_BYTES,
  PAGE_ENTRIES,
  SEGMENT_PAGES,
} from "./geometry.ts";
import { PageCipher } from "./PageCipher.ts";
import { PageMismatchError } from "./PageMismatchError.ts";
import type { ExchangeKeys } from "./segmentKey.ts";

export interface OpenFileParameters extends ExchangeKeys {
  /** Bytes of the plaintext, as delivered on chain. */
  readonly size: number;
  /** As delivered on chain, 0x-hex. */
  readonly contentRoot: string;
  readonly signal?: AbortSignal;
}

/**
 * Decrypts a downloaded deliverable. Every page is checked against its entry one level up, from contentRoot down;
 * `outputPath` appears only if all of them match.
 * @throws PageMismatchError for the first page that differs from what was committed to, ProtocolError "integrity" if
 * the file has a different length, "usage" if a path is not usable; the signal's reason if aborted.
 * @example
 * const { size, contentRoot } = delivery;
 * await openFile("model.encrypted", "archive.zip", { taskId: id, u, s, size, contentRoot });
 */
export async function openFile(
  encryptedPath: string,
  outputPath: string,
  options: OpenFileParameters,
): Promise<void> {
  const geometry = geometryOf(options.size);
  const encrypted = await openInput(encryptedPath);
  try {
    if (encrypted.size !== geometry.encryptedSize) {
      throw wrongLengthError(encryptedPath, encrypted.size, geometry.encryptedSize);
    }
    const pages = new PageReader(encrypted.handle, encryptedPath, geometry, options);
    await writeAtomically(outputPath, (temporary) => writeClear(pages, temporary, options));
  } finally {
    await encrypted.handle.close();
  }
}

/** Writes the verified plaintext of the data pages, without the padding of the last one. */
async function writeClear(
  pages: PageReader,
  path: string,
  { size, signal }: { size: number; signal?: AbortSignal },
): Promise<void> {
  const output = await openOutput(path);
  try {
    for (let first = 0; first * PAGE_BYTES < size; first += SEGMENT_PAGES) {
      signal?.throwIfAborted();
      const clear = await pages.readData(first);
      const start = first * PAGE_BYTES;
      await writeFully(output, clear.subarray(0, size - start), start);
    }
  } finally {
    await output.close();
  }
}

/** Reads pages and verifies them against contentRoot; keeps one page per level. */
class PageReader {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #geometry: Geometry;
  readonly #contentRoot: Buffer;
  readonly #cipher: PageCipher;
  /** Per level, the hash page that was verified last, and its position in the level. */
  readonly #checked: { position: number; page: Buffer }[] = [];

  constructor(
    file: FileHandle,
    path: string,
    geometry: Geometry,
    { contentRoot, ...keys }: ExchangeKeys & { contentRoot: string },
  ) {
    this.#file = file;
    this.#path = path;
    this.#geometry = geometry;
    this.#contentRoot = Buffer.from(contentRoot.slice(2), "hex");
    this.#cipher = new PageCipher(keys);
  }

  /** The data pages of one segment from `firstPage` on, in plaintext and verified. */
  async readData(firstPage: number): Promise<Buffer> {
    const count = Math.min(SEGMENT_PAGES, this.#geometry.levels[0]!.pages - firstPage);
    const clear = await this.#decrypt(firstPage, count);
    for (let i = 0; i < count; i++) {
      await this.#check(0, firstPage + i, clear.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES));
    }
    return clear;
  }

  /** Hash page `position` of `level`, in plaintext and verified. */
  async #hashPage(level: number, position: number): Promise<Buffer> {
    const last = this.#checked[level];
    if (last?.position === position) return last.page;
    const page = await this.#decrypt(this.#geometry.levels[level]!.firstPage + position, 1);
    await this.#check(level, position, page);
    this.#checked[level] = { position, page };
    return page;
  }

  /** Compares a page with its entry in the page above, which is verified first: the order is top down. */
  async #check(level: number, position: number, page: Buffer): Promise<void> {
    const expected = await this.#expectedDigest(level, position);
    if (Buffer.compare(sha256(page), expected) === 0) return;
    throw new PageMismatchError(this.#geometry.levels[level]!.firstPage + position, level);
  }

  async #expectedDigest(level: number, position: number): Promise<Buffer> {
    if (level === this.#geometry.levels.length - 1) return this.#contentRoot;
    const parent = await this.#hashPage(level + 1, Math.floor(position / PAGE_ENTRIES));
    const start = (position % PAGE_ENTRIES) * DIGEST_BYTES;
    return parent.subarray(start, start + DIGEST_BYTES);
  }

  async #decrypt(firstPage: number, count: number): Promise<Buffer> {
    const bytes = Buffer.alloc(count * PAGE_BYTES);
    await readFully(this.#file, bytes, firstPage * PAGE_BYTES, this.#path);
    return this.#cipher.apply(firstPage, bytes);
  }
}

function wrongLengthError(path: string, actual: number, expected: number): ProtocolError {
  return new ProtocolError(
    "integrity",
    `${path} has ${actual} bytes, but ${expected} were delivered.`,
    "Download the deliverable again.",
  );
}
