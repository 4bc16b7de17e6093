import { writeSync } from "node:fs";
import { type FileHandle, open, readFile, rm, writeFile } from "node:fs/promises";
import type { Root } from "../../ids.ts";
import { HASHED_AT_ONCE, type RootSegment, segmentHasher } from "../tree/hashThreads.ts";
import { nodeAt } from "../tree/merkle.ts";
import type { SegmentList } from "../tree/RootHasher.ts";
import { SEGMENT_BYTES, segmentCount, segmentLength } from "../tree/segment.ts";
import { inParallel } from "./inParallel.ts";
import { openOutput } from "./openOutput.ts";
import { publishFile } from "./publishFile.ts";
import { readFully } from "./readFully.ts";
import { writeFully } from "./writeFully.ts";

/** Segments `first` up to, but not including, `end`. */
export type SegmentRange = [first: number, end: number];

const HEADER_BYTES = 40;

/** Bytes after which the file is flushed to disk in the background, so that little is left to flush at the end. */
const FLUSH_BYTES = 8 * 1024 * 1024;
const MARK = Uint8Array.of(1);

/**
 * A file that is filled segment by segment, in any order, with verified bytes only. `<path>.have` contains the root,
 * the size (8 bytes, big-endian), then one byte per segment, 1 if it is present. A byte and not a bit, so that
 * concurrent writes never share one.
 */
export class PartialFile {
  readonly path: string;
  readonly list: SegmentList;
  readonly #have: Uint8Array;
  readonly #hash: RootSegment;
  /** The data file and the file of marks, open during writes. */
  #files: Promise<[FileHandle, FileHandle]> | null = null;
  #writers = 0;
  /** The flush in progress or the failed one; null if there is none. */
  #flush: Promise<void> | null = null;
  #unflushed = 0;
  #bytes = 0;

  private constructor(path: string, list: SegmentList, have: Uint8Array) {
    this.path = path;
    this.list = list;
    this.#have = have;
    this.#hash = segmentHasher(list.size);
    have.forEach((mark, index) => {
      if (mark === 1) this.#bytes += segmentLength(index, list.size);
    });
  }

  /**
   * Resumes what an earlier process left at `path`, or starts over if that was different content. Marks are not
   * trusted: after a power failure, a mark may be on disk without its segment, so every marked segment is read and
   * hashed again.
   */
  static async open(path: string, list: SegmentList): Promise<PartialFile> {
    const header = headerOf(list.root, list.size);
    const left = await readFile(havePath(path)).catch(() => Buffer.alloc(0));
    const size = await fileSize(path);
    const isOurs =
      left.length === HEADER_BYTES + segmentCount(list.size) &&
      left.subarray(0, HEADER_BYTES).equals(header) &&
      size === list.size;
    const have = isOurs
      ? await recheck(path, list, left.subarray(HEADER_BYTES))
      : await createEmpty(path, list.size);
    await writeHave(path, list, have);
    return new PartialFile(path, list, have);
  }

  /** Number of bytes present. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The missing segments. */
  missing(): SegmentRange[] {
    const ranges: SegmentRange[] = [];
    this.#have.forEach((mark, index) => {
      if (mark === 1) return;
      const last = ranges.at(-1);
      if (last?.[1] === index) last[1]++;
      else ranges.push([index, index + 1]);
    });
    return ranges;
  }

  /**
   * Writes segment `index` unless it is already present.
   * @returns false, with nothing written, if `bytes` are not that segment.
   */
  async write(index: number, bytes: Uint8Array): Promise<boolean> {
    if (!(await isSegment(bytes, index, this.list, this.#hash))) return false;
    await this.writeProven(index, bytes);
    return true;
  }

  /** The same with bytes that were already verified. */
  async writeProven(index: number, bytes: Uint8Array): Promise<void> {
    if (this.#have[index] === 1) return;
    await this.whileOpen(async ([data, marks]) => {
      await writeFully(data, bytes, index * SEGMENT_BYTES);
      // Synchronously: for one byte, waking another thread takes many times longer than the write.
      writeSync(marks.fd, MARK, 0, MARK.length, HEADER_BYTES + index);
      this.#flushBehind(data, bytes.length);
    });
    // The same segment may have arrived twice at the same time.
    if (this.#have[index] !== 1) this.#bytes += bytes.length;
    this.#have[index] = 1;
  }

  #flushBehind(data: FileHandle, length: number): void {
    this.#unflushed += length;
    if (this.#flush || this.#unflushed < FLUSH_BYTES) return;
    this.#unflushed = 0;
    const flush = data.datasync().then(() => {
      this.#flush = null;
    });
    flush.catch(() => {}); // `publish` reports it
    this.#flush = flush;
  }

  /**
   * Keeps the file open while `work` runs, for many writes in a row. Otherwise every write opens it, so that a server
   * with many uploads in progress holds no descriptors.
   */
  async whileOpen<T>(work: (files: [FileHandle, FileHandle]) => Promise<T>): Promise<T> {
    this.#writers++;
    this.#files ??= openBoth(this.path);
    const files = this.#files;
    try {
      return await work(await files);
    } finally {
      if (--this.#writers === 0) {
        this.#files = null;
        const opened = await files.catch(() => []);
        await this.#flush?.catch(() => {}); // it needs the open file
        for (const file of opened) await file.close();
      }
    }
  }

  /**
   * Makes the complete file durable under its final name; the caller checked `missing()`.
   * @throws the disk's error. After a failed flush, all segments count as missing again: a second attempt to flush
   * would succeed silently (https://wiki.postgresql.org/wiki/Fsync_Errors).
   */
  async publish(target: string): Promise<void> {
    try {
      await this.#flush;
      await publishFile(this.path, target);
    } catch (error) {
      if (/^f(data)?sync$/.test((error as NodeJS.ErrnoException).syscall ?? ""))
        await this.#forget();
      throw error;
    }
    await rm(havePath(this.path), { force: true });
  }

  async #forget(): Promise<void> {
    this.#flush = null;
    this.#bytes = 0;
    this.#have.set(await createEmpty(this.path, this.list.size));
    await writeHave(this.path, this.list, this.#have);
  }

  /** Deletes a partial file and its marks. */
  static async discard(path: string): Promise<void> {
    await rm(path, { force: true });
    await rm(havePath(path), { force: true });
  }
}

function havePath(path: string): string {
  return `${path}.have`;
}

function headerOf(root: Root, size: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(root.slice(2), "hex");
  header.writeBigUInt64BE(BigInt(size), 32);
  return header;
}

async function writeHave(path: string, { root, size }: SegmentList, have: Uint8Array) {
  await writeFile(havePath(path), Buffer.concat([headerOf(root, size), have]));
}

async function fileSize(path: string): Promise<number> {
  const handle = await open(path, "r").catch(() => null);
  if (!handle) return -1;
  try {
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}

/** Creates a sparse file of `size` bytes with all segments missing. */
async function createEmpty(path: string, size: number): Promise<Uint8Array> {
  await PartialFile.discard(path);
  const handle = await openOutput(path);
  try {
    await handle.truncate(size);
  } finally {
    await handle.close();
  }
  return new Uint8Array(segmentCount(size));
}

/** The marks whose segments are really present. */
async function recheck(path: string, list: SegmentList, marks: Uint8Array): Promise<Uint8Array> {
  const have = new Uint8Array(marks.length);
  const marked = [...marks.keys()].filter((index) => marks[index] === 1);
  const hash = segmentHasher(list.size);
  const buffers: Buffer[] = [];
  const file = await open(path, "r");
  try {
    const check = async (index: number, _: AbortSignal, worker: number) => {
      buffers[worker] ??= Buffer.alloc(SEGMENT_BYTES);
      const piece = buffers[worker].subarray(0, segmentLength(index, list.size));
      await readFully(file, piece, index * SEGMENT_BYTES, path);
      have[index] = Number(await isSegment(piece, index, list, hash));
    };
    await inParallel(marked, check, undefined, HASHED_AT_ONCE + 2);
  } finally {
    await file.close();
  }
  return have;
}

async function isSegment(
  bytes: Uint8Array,
  index: number,
  { segmentRoots, size }: SegmentList,
  hash: RootSegment,
): Promise<boolean> {
  if (bytes.length === 0 || bytes.length !== segmentLength(index, size)) return false;
  return Buffer.compare(await hash(bytes, index), nodeAt(segmentRoots, index)) === 0;
}

async function openBoth(path: string): Promise<[FileHandle, FileHandle]> {
  const data = await open(path, "r+");
  try {
    return [data, await open(havePath(path), "r+")];
  } catch (error) {
    await data.close();
    throw error;
  }
}
