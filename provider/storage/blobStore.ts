import { mkdir, readdir, rm, stat, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Root } from "../../sdk/ids.ts";
import { NODE_BYTES } from "../../sdk/storage/merkle.ts";
import { PartialFile, type SegmentRange } from "../../sdk/storage/partialFile.ts";
import { publishFile } from "../../sdk/storage/publishFile.ts";
import { rootFromSegments, type SegmentList } from "../../sdk/storage/root.ts";
import { paddedSegmentCount, segmentCount } from "../../sdk/storage/segment.ts";
import { StorageRefusal } from "./storageRefusal.ts";

export interface StorageLimits {
  /** Bytes of all blobs and of all uploads under way, at their full size. */
  readonly totalBytes: number;
  /** Bytes of one blob. */
  readonly uploadBytes: number;
  /** Bytes of the disk that stay free for everything else. */
  readonly freeDiskBytes: number;
  /** Milliseconds without a new segment after which an upload counts as abandoned. */
  readonly abandonedAfterMs: number;
}

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
  readonly #now: () => number;
  /** Bytes per published blob. */
  readonly #blobs = new Map<Root, number>();
  /** Bytes promised to uploads that are not published yet. */
  readonly #promised = new Map<Root, number>();
  /** Uploads begun since the start; what earlier processes left is reopened when begun again. */
  readonly #uploads = new Map<Root, PartialFile>();
  /** The last step queued per root: begin, finish and expiry of one root never overlap. */
  readonly #queues = new Map<Root, Promise<unknown>>();

  private constructor(directory: string, limits: StorageLimits, now: () => number) {
    this.#directory = directory;
    this.#limits = limits;
    this.#now = now;
  }

  /** Opens or creates the store. `now` is the clock, in milliseconds. */
  static async open(
    directory: string,
    limits: StorageLimits,
    now: () => number = Date.now,
  ): Promise<BlobStore> {
    const store = new BlobStore(directory, limits, now);
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
   * @throws StorageRefusal 422 when the list does not fold to its root, 413 or 507 without room.
   */
  async begin(list: SegmentList): Promise<UploadStanding> {
    this.#checkList(list);
    await this.#expireAbandoned();
    return this.#inTurn(list.root, async () => {
      const known = this.#blobs.get(list.root) ?? this.#uploads.get(list.root)?.list.size;
      // The root does not tell files apart that differ in zeros at their end: keep the first.
      if (known !== undefined && known !== list.size) throw otherSize(list.root, known);
      if (this.#blobs.has(list.root)) return { complete: true, missing: [] };
      const upload = this.#uploads.get(list.root) ?? (await this.#openUpload(list));
      return { complete: false, missing: upload.missing() };
    });
  }

  /**
   * Stores one segment; the same one again changes nothing.
   * @throws StorageRefusal 404 when no such upload was begun, 422 for other bytes.
   */
  async putSegment(root: Root, index: number, bytes: Uint8Array): Promise<void> {
    if (this.#blobs.has(root)) return;
    const upload = this.#uploads.get(root);
    if (!upload) throw notBegun(root);
    if (index >= segmentCount(upload.list.size)) {
      throw new StorageRefusal(
        404,
        "no-such-segment",
        `${root} has no segment ${index}.`,
        `Send segments 0 to ${segmentCount(upload.list.size) - 1}.`,
      );
    }
    if (await this.#write(upload, index, bytes)) return;
    throw new StorageRefusal(
      422,
      "wrong-bytes",
      `The bytes are not segment ${index} of ${root}.`,
      "Begin again with the file as it is now: it may have changed since its root was computed.",
    );
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
      if (upload.missing().length > 0) {
        throw new StorageRefusal(
          409,
          "incomplete",
          `Segments of ${root} are missing.`,
          "Begin the upload again to learn which, send them, then finish.",
        );
      }
      await this.#writeSegmentList(upload.list);
      await upload.publish(this.blobPath(root));
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
    if (list.size > this.#limits.uploadBytes) {
      throw new StorageRefusal(
        413,
        "too-large",
        `${list.size} bytes are more than the ${this.#limits.uploadBytes} that one file may have.`,
        "Use a smaller file or another provider.",
      );
    }
    if (foldsToItsRoot(list)) return;
    throw new StorageRefusal(
      422,
      "wrong-segment-list",
      `The segment list does not fold to ${list.root}.`,
      "Compute root and list from the same file.",
    );
  }

  async #openUpload(list: SegmentList): Promise<PartialFile> {
    await this.#promiseRoom(list);
    try {
      const upload = await PartialFile.open(this.#partPath(list.root), list);
      this.#uploads.set(list.root, upload);
      return upload;
    } catch (error) {
      this.#promised.delete(list.root);
      throw error;
    }
  }

  /** Counts the upload against the limits before the first byte comes, so that it can be finished. */
  async #promiseRoom({ root, size }: SegmentList): Promise<void> {
    const disk = await statfs(this.#directory);
    const promised = sum(this.#promised) - (this.#promised.get(root) ?? 0);
    if (sum(this.#blobs) + promised + size > this.#limits.totalBytes) {
      throw new StorageRefusal(
        507,
        "storage-full",
        `The storage has no room for ${size} bytes.`,
        "Try again later, when abandoned uploads have expired, or use another provider.",
      );
    }
    if (disk.bavail * disk.bsize - promised - size < this.#limits.freeDiskBytes) {
      throw new StorageRefusal(
        507,
        "disk-full",
        `The disk has no room for ${size} bytes.`,
        "Try again later or use another provider.",
      );
    }
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
        this.#uploads.delete(root);
        await PartialFile.discard(this.#partPath(root));
        this.#promised.delete(root);
      });
    }
  }

  async #isAbandoned(root: Root): Promise<boolean> {
    const state = await stat(`${this.#partPath(root)}.have`).catch(() => null);
    return state === null || state.mtimeMs <= this.#now() - this.#limits.abandonedAfterMs;
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

function notBegun(root: Root): StorageRefusal {
  return new StorageRefusal(
    404,
    "not-begun",
    `No upload of ${root} is under way.`,
    "Begin it with PUT /uploads/<root>; what is already here is not sent again.",
  );
}

function otherSize(root: Root, size: number): StorageRefusal {
  return new StorageRefusal(
    409,
    "other-size",
    `${root} is here as a file of ${size} bytes.`,
    "Upload the file with that size: files that differ only in zeros at the end share a root.",
  );
}
