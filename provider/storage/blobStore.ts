import { mkdir, readdir, rm, stat, statfs, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Root } from "../../sdk/ids.ts";
import { NODE_BYTES } from "../../sdk/storage/merkle.ts";
import type { SegmentRange } from "../../sdk/storage/partialFile.ts";
import { PartialFile } from "../../sdk/storage/partialFile.ts";
import { proveSegment, unprovenList } from "../../sdk/storage/provenList.ts";
import { publishFile } from "../../sdk/storage/publishFile.ts";
import { receiveSegments, SEGMENT_PATIENCE } from "../../sdk/storage/receiveSegments.ts";
import { rootFromSegments, type SegmentList } from "../../sdk/storage/root.ts";
import {
  paddedSegmentCount,
  SEGMENT_BYTES,
  segmentCount,
  segmentLength,
} from "../../sdk/storage/segment.ts";
import type { SegmentProof } from "../../sdk/storage/segmentProof.ts";
import { UploadQuota } from "./uploadQuota.ts";
import {
  diskFull,
  incomplete,
  noSuchSegment,
  notBegun,
  otherSize,
  storageFull,
  tooLarge,
  wrongBytes,
  wrongSegmentList,
} from "./uploadRefusals.ts";

export interface StorageLimits {
  /** Bytes of all blobs and of all uploads under way, at their full size. */
  readonly totalBytes: number;
  /** Bytes of one blob. */
  readonly uploadBytes: number;
  /** Bytes of the disk that stay free for everything else. */
  readonly freeDiskBytes: number;
  /** Milliseconds without a new segment after which an upload counts as abandoned. */
  readonly abandonedAfterMs: number;
  /** Bytes that uploads from one address may hold while no task refers to them. Without it, any number. */
  readonly addressBytes?: number;
  /** Milliseconds after which a blob that no task refers to is deleted. Without it, never. */
  readonly unreferencedAfterMs?: number;
  /** Milliseconds in which a segment must have come in. Without it, SEGMENT_PATIENCE. */
  readonly segmentPatienceMs?: number;
}

/** What the store asks the program around it. */
export interface StoreSurroundings {
  /** The clock, in milliseconds. */
  readonly now: () => number;
  /** What tasks under way refer to: it counts against no quota, and does not expire. Null: not known yet. */
  readonly references: () => ReadonlySet<string> | null;
}

/** Milliseconds between two looks for blobs that have expired. */
const SWEEP_INTERVAL = 3_600_000;

/** What an upload still lacks. */
export interface UploadStanding {
  /** True when the blob is published and nothing is left to do. */
  readonly complete: boolean;
  readonly missing: SegmentRange[];
}

const ROOT_NAME = /^0x[0-9a-f]{64}$/;
const PART_NAME = /^(0x[0-9a-f]{64})\.part$/;

/**
 * Blobs on disk, named by their root. `blobs/<root>` is complete and durable from the moment its
 * name exists, `blobs/<root>.segments` is its segment list; `incoming/<root>.part` fills up.
 * One process at a time owns the directory.
 */
export class BlobStore {
  readonly #directory: string;
  readonly #limits: StorageLimits;
  readonly #around: StoreSurroundings;
  readonly #quota: UploadQuota;
  /** Bytes per published blob. */
  readonly #blobs = new Map<Root, number>();
  /** Bytes promised to uploads that are not published yet. */
  readonly #promised = new Map<Root, number>();
  /** Uploads begun since the start; what earlier processes left is reopened when begun again. */
  readonly #uploads = new Map<Root, PartialFile>();
  /** The last step queued per root: begin, finish and expiry of one root never overlap. */
  readonly #queues = new Map<Root, Promise<unknown>>();
  #sweptAt = 0;

  private constructor(directory: string, limits: StorageLimits, around: StoreSurroundings) {
    this.#directory = directory;
    this.#limits = limits;
    this.#around = around;
    this.#quota = new UploadQuota(limits.addressBytes ?? Infinity);
  }

  /** Opens or creates the store. */
  static async open(
    directory: string,
    limits: StorageLimits,
    { now = Date.now, references = () => null }: Partial<StoreSurroundings> = {},
  ): Promise<BlobStore> {
    const store = new BlobStore(directory, limits, { now, references });
    await mkdir(join(directory, "blobs"), { recursive: true });
    await mkdir(join(directory, "incoming"), { recursive: true });
    await store.#load();
    await store.#expireAbandoned();
    return store;
  }

  /** Bytes of a published blob, undefined when there is none. */
  size(root: Root): number | undefined {
    return this.#blobs.get(root);
  }

  blobPath(root: Root): string {
    return join(this.#directory, "blobs", root);
  }

  segmentListPath(root: Root): string {
    return `${this.blobPath(root)}.segments`;
  }

  /**
   * Begins an upload or goes on with one.
   * @param address where it comes from; null for this machine, which has no quota
   * @throws StorageRefusal 422 when the list does not fold to its root, 413, 429 or 507 without room.
   */
  async begin(list: SegmentList, address: string | null = null): Promise<UploadStanding> {
    this.#checkList(list);
    const standing = await this.#begin(list, address);
    // One that was begun without its list has it from now on.
    this.#uploads.get(list.root)?.list.segmentRoots.set(list.segmentRoots);
    return standing;
  }

  /**
   * Begins an upload of which nobody has the segment list: its segments bring proofs. It does not outlive this process.
   * @throws StorageRefusal 413, 429 or 507 without room.
   */
  async beginUnproven(root: Root, size: number, address: string | null = null): Promise<void> {
    if (this.#uploads.get(root)?.list.size === size) return;
    this.#checkSize(size);
    await this.#begin(unprovenList(root, size), address);
  }

  async #begin(list: SegmentList, address: string | null): Promise<UploadStanding> {
    await this.#expireAbandoned();
    await this.#expireUnreferenced();
    return this.#inTurn(list.root, async () => {
      const known = this.#blobs.get(list.root) ?? this.#uploads.get(list.root)?.list.size;
      // The root does not tell files apart that differ in zeros at their end: keep the first.
      if (known !== undefined && known !== list.size) throw otherSize(list.root, known);
      if (this.#blobs.has(list.root)) {
        await this.#touch(list.root);
        return { complete: true, missing: [] };
      }
      const upload = this.#uploads.get(list.root) ?? (await this.#openUpload(list, address));
      return { complete: false, missing: upload.missing() };
    });
  }

  /**
   * Stores one segment; the same one again changes nothing.
   * @throws StorageRefusal 404 when no such upload was begun, 422 for other bytes.
   */
  async putSegment(root: Root, index: number, bytes: Uint8Array): Promise<void> {
    if (this.#blobs.has(root)) return;
    const upload = this.#upload(root, index);
    if (!(await this.#write(upload, index, bytes))) throw wrongBytes(root, index);
  }

  /**
   * Stores a run of segments as they come in, each on disk before the next but one is taken in.
   * @param length bytes of the stream, which has to end with a segment
   * @param onSlow called when a segment takes too long: ends the stream
   * @throws StorageRefusal as putSegment.
   */
  async putRun(
    root: Root,
    { first, length, stream }: { first: number; length: number; stream: AsyncIterable<Buffer> },
    onSlow: () => void,
  ): Promise<void> {
    if (this.#blobs.has(root)) return;
    const upload = this.#upload(root, first);
    const { size } = upload.list;
    const end = first + Math.ceil(length / SEGMENT_BYTES);
    const wanted = (end - first - 1) * SEGMENT_BYTES + segmentLength(end - 1, size);
    if (end > segmentCount(size) || length !== wanted) throw wrongBytes(root, first);
    const keep = async (index: number, bytes: Uint8Array) => {
      if (!(await this.#write(upload, index, bytes))) throw wrongBytes(root, index);
    };
    const patience = this.#limits.segmentPatienceMs ?? SEGMENT_PATIENCE;
    await upload.whileOpen(() =>
      receiveSegments(stream, [first, end], { size, keep, onSlow, patience }),
    );
  }

  /** The upload under way that has segment `index`. */
  #upload(root: Root, index: number): PartialFile {
    const upload = this.#uploads.get(root);
    if (!upload) throw notBegun(root);
    const count = segmentCount(upload.list.size);
    if (index < count) return upload;
    throw noSuchSegment(root, index, count);
  }

  /**
   * Stores one segment of an upload that was begun without its list.
   * @returns true when none is missing any more.
   * @throws StorageRefusal 422 when the proof does not lead from these bytes to the root.
   */
  async putProvenSegment(
    root: Root,
    index: number,
    bytes: Uint8Array,
    proof: SegmentProof,
  ): Promise<boolean> {
    const upload = this.#uploads.get(root);
    if (upload && !proveSegment(upload.list, index, bytes, proof)) throw wrongBytes(root, index);
    await this.putSegment(root, index, bytes);
    return upload?.missing().length === 0;
  }

  /**
   * Publishes a complete upload; when it returns, the blob survives a power cut.
   * @throws StorageRefusal 404 when no such upload was begun, 409 when segments are missing.
   */
  async finish(root: Root): Promise<void> {
    await this.#inTurn(root, async () => {
      if (this.#blobs.has(root)) return;
      const upload = this.#uploads.get(root);
      if (!upload) throw notBegun(root);
      if (upload.missing().length > 0) throw incomplete(root);
      if (!foldsToItsRoot(upload.list)) {
        await this.#discard(root);
        throw wrongSegmentList(root);
      }
      await this.#writeSegmentList(upload.list);
      await upload.publish(this.blobPath(root));
      await this.#touch(root);
      this.#blobs.set(root, upload.list.size);
      this.#uploads.delete(root);
      this.#promised.delete(root);
    });
  }

  async #load(): Promise<void> {
    const blobs = await readdir(join(this.#directory, "blobs"));
    for (const name of blobs) {
      const path = join(this.#directory, "blobs", name);
      if (ROOT_NAME.test(name)) this.#blobs.set(name as Root, (await stat(path)).size);
      // A list whose blob was not published before the crash is written again when it is.
      else if (!blobs.includes(name.replace(/\.segments$/, ""))) await rm(path);
    }
    const incoming = await readdir(join(this.#directory, "incoming"));
    for (const name of incoming) {
      const root = PART_NAME.exec(name)?.[1] as Root | undefined;
      if (root) this.#promised.set(root, (await stat(this.#partPath(root))).size);
      // What a crash while publishing left beside a file that has its final name already.
      else if (!incoming.includes(name.replace(/\.have$/, ""))) {
        await rm(join(this.#directory, "incoming", name));
      }
    }
  }

  #checkList(list: SegmentList): void {
    this.#checkSize(list.size);
    if (!foldsToItsRoot(list)) throw wrongSegmentList(list.root);
  }

  #checkSize(size: number): void {
    if (size > this.#limits.uploadBytes) throw tooLarge(size, this.#limits.uploadBytes);
  }

  async #openUpload(list: SegmentList, address: string | null): Promise<PartialFile> {
    await this.#promiseRoom(list);
    try {
      if (address !== null) this.#quota.claim(address, list, this.#around.references());
      const upload = await PartialFile.open(this.#partPath(list.root), list);
      this.#uploads.set(list.root, upload);
      return upload;
    } catch (error) {
      this.#promised.delete(list.root);
      this.#quota.release(list.root);
      throw error;
    }
  }

  /** Counts the upload against the limits before the first byte comes, so that it can be finished. */
  async #promiseRoom({ root, size }: SegmentList): Promise<void> {
    const disk = await statfs(this.#directory);
    const promised = sum(this.#promised) - (this.#promised.get(root) ?? 0);
    if (sum(this.#blobs) + promised + size > this.#limits.totalBytes) throw storageFull(size);
    if (disk.bavail * disk.bsize - promised - size < this.#limits.freeDiskBytes)
      throw diskFull(size);
    this.#promised.set(root, size);
  }

  async #write(upload: PartialFile, index: number, bytes: Uint8Array): Promise<boolean> {
    try {
      return await upload.write(index, bytes);
    } catch (error) {
      // The same segment came twice, and the upload was published between check and write.
      if (this.#blobs.has(upload.list.root)) return true;
      throw error;
    }
  }

  async #writeSegmentList({ root, segmentRoots }: SegmentList): Promise<void> {
    const temporary = join(this.#directory, "incoming", `${root}.segments`);
    await writeFile(temporary, segmentRoots);
    await publishFile(temporary, this.segmentListPath(root));
  }

  /** Deletes uploads that got no segment for too long. Called when room is needed, so no timer. */
  async #expireAbandoned(): Promise<void> {
    for (const root of [...this.#promised.keys()]) {
      if (!(await this.#isAbandoned(root))) continue;
      await this.#inTurn(root, async () => {
        // Asked again: it may have gone on, or been finished, while this waited.
        if (!this.#promised.has(root) || !(await this.#isAbandoned(root))) return;
        await this.#discard(root);
      });
    }
  }

  /** Deletes blobs that no task has referred to for long, now and then. Before an upload, so no timer. */
  async #expireUnreferenced(): Promise<void> {
    const references = this.#around.references();
    const now = this.#around.now();
    if (references === null || now < this.#sweptAt + SWEEP_INTERVAL) return;
    this.#sweptAt = now;
    for (const root of [...this.#blobs.keys()]) {
      await this.#inTurn(root, async () => {
        // From the end of a task on, its blobs have as long as those that never had one.
        if (references.has(root)) return this.#touch(root);
        const { mtimeMs } = await stat(this.blobPath(root));
        if (mtimeMs <= now - (this.#limits.unreferencedAfterMs ?? Infinity))
          await this.#delete(root);
      });
    }
  }

  /** Notes on disk that a blob is in use. */
  async #touch(root: Root): Promise<void> {
    const seconds = this.#around.now() / 1000;
    await utimes(this.blobPath(root), seconds, seconds);
  }

  async #delete(root: Root): Promise<void> {
    this.#blobs.delete(root);
    this.#quota.release(root);
    await rm(this.blobPath(root), { force: true });
    await rm(this.segmentListPath(root), { force: true });
  }

  async #discard(root: Root): Promise<void> {
    this.#uploads.delete(root);
    await PartialFile.discard(this.#partPath(root));
    this.#promised.delete(root);
    this.#quota.release(root);
  }

  async #isAbandoned(root: Root): Promise<boolean> {
    const state = await stat(`${this.#partPath(root)}.have`).catch(() => null);
    return state === null || state.mtimeMs <= this.#around.now() - this.#limits.abandonedAfterMs;
  }

  #partPath(root: Root): string {
    return join(this.#directory, "incoming", `${root}.part`);
  }

  /** Runs `step` after the steps of this root that were queued before it. */
  #inTurn<T>(root: Root, step: () => Promise<T>): Promise<T> {
    const turn = (this.#queues.get(root) ?? Promise.resolve()).then(step, step);
    this.#queues.set(root, turn);
    const leave = () => {
      if (this.#queues.get(root) === turn) this.#queues.delete(root);
    };
    turn.then(leave, leave);
    return turn;
  }
}

function foldsToItsRoot({ root, segmentRoots, size }: SegmentList): boolean {
  const hasRightLength = segmentRoots.length === paddedSegmentCount(size) * NODE_BYTES;
  return size > 0 && hasRightLength && rootFromSegments(segmentRoots, size) === root;
}

function sum(sizes: Map<Root, number>): number {
  let total = 0;
  for (const size of sizes.values()) total += size;
  return total;
}
