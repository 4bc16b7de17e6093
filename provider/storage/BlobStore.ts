import { mkdir, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Root } from "../../sdk/ids.ts";
import { PartialFile, type SegmentRange } from "../../sdk/storage/files/PartialFile.ts";
import { publishFile } from "../../sdk/storage/files/publishFile.ts";
import { receiveSegments, SEGMENT_TIMEOUT_MS } from "../../sdk/storage/transfer/receiveSegments.ts";
import { NODE_BYTES } from "../../sdk/storage/tree/merkle.ts";
import { provenRoot, unprovenList } from "../../sdk/storage/tree/provenList.ts";
import { rootFromSegments, type SegmentList } from "../../sdk/storage/tree/RootHasher.ts";
import type { SegmentProof } from "../../sdk/storage/tree/SegmentTree.ts";
import {
  paddedSegmentCount,
  SEGMENT_BYTES,
  segmentCount,
  segmentLength,
} from "../../sdk/storage/tree/segment.ts";
import { type Reservation, Room, type RoomLimits } from "./Room.ts";
import { type QuotaLimits, UploadQuota } from "./UploadQuota.ts";
import { keyOf, type Upload, UploadsUnderWay } from "./UploadsUnderWay.ts";
import { MACHINE, type Uploader } from "./uploader.ts";
import {
  incomplete,
  noSuchSegment,
  notBegun,
  otherSize,
  tooLarge,
  wrongBytes,
  wrongSegmentList,
} from "./uploadRefusals.ts";

export interface StorageLimits extends RoomLimits, QuotaLimits {
  /** Bytes of one blob. */
  readonly uploadBytes: number;
  /** Milliseconds without a new segment after which an upload counts as abandoned. */
  readonly abandonedAfterMs: number;
  /** Milliseconds after which a blob that no task refers to is deleted. Without it, never. */
  readonly unreferencedAfterMs?: number;
  /** Milliseconds in which a segment must have come in. Without it, SEGMENT_TIMEOUT_MS. */
  readonly segmentTimeoutMs?: number;
  /** Milliseconds over which the rate of a body is averaged. Without it, RATE_WINDOW. */
  readonly rateWindowMs?: number;
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

/** Uploads under way, of all accounts together; the one that has been idle for longest makes room for another. */
const MAX_UNDER_WAY = 16_384;

/** What an upload still lacks. */
export interface UploadStanding {
  /** True when the blob is published and nothing is left to do. */
  readonly complete: boolean;
  readonly missing: SegmentRange[];
}

/** Unit of a file's blocks on disk. */
const BLOCK_BYTES = 512;

const ROOT_NAME = /^0x[0-9a-f]{64}$/;
const PART_NAME = /^(0x[0-9a-f]{64})(\.\d+)?\.part$/;

interface Blob {
  readonly size: number;
  /** Delivered by this daemon since it started. */
  readonly isOwn: boolean;
  /** Milliseconds of the clock. */
  usedAt: number;
}

/**
 * Blobs on disk, named by their root. `blobs/<root>` is complete and durable from the moment its
 * name exists, `blobs/<root>.segments` is its segment list; `incoming/<root>.part` fills up.
 * One process at a time owns the directory.
 *
 * The root does not tell files apart that differ in zeros at their end. Uploads of one root with several sizes go on
 * side by side, so that a wrong claim keeps nobody out; the first that is complete ends the others.
 */
export class BlobStore {
  readonly #directory: string;
  readonly #limits: StorageLimits;
  readonly #around: StoreSurroundings;
  readonly #quota: UploadQuota;
  readonly #room: Room;
  readonly #blobs = new Map<Root, Blob>();
  readonly #uploads = new UploadsUnderWay();
  /** The last step queued per root: begin, finish and expiry of one root never overlap. */
  readonly #queues = new Map<Root, Promise<unknown>>();
  #sweptAt = 0;

  private constructor(directory: string, limits: StorageLimits, around: StoreSurroundings) {
    this.#directory = directory;
    this.#limits = limits;
    this.#around = around;
    this.#quota = new UploadQuota(limits);
    this.#room = new Room(directory, limits);
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
    return this.#blobs.get(root)?.size;
  }

  /** Whether a task under way refers to it. */
  isReferenced(root: Root): boolean {
    return this.#around.references()?.has(root) ?? false;
  }

  blobPath(root: Root): string {
    return join(this.#directory, "blobs", root);
  }

  segmentListPath(root: Root): string {
    return `${this.blobPath(root)}.segments`;
  }

  /**
   * Begins an upload or goes on with one.
   * @param uploader whom it counts for
   * @throws StorageRefusal 422 when the list does not fold to its root, 401, 413, 429 or 507 without room.
   */
  async begin(list: SegmentList, uploader: Uploader = MACHINE): Promise<UploadStanding> {
    this.#checkSize(list.size);
    if (!foldsToItsRoot(list)) throw wrongSegmentList(list.root);
    const standing = await this.#begin(list, uploader);
    // One that was begun without its list has it from now on.
    this.#uploads.find(list.root, list.size)?.file?.list.segmentRoots.set(list.segmentRoots);
    return standing;
  }

  async #begin(list: SegmentList, uploader: Uploader): Promise<UploadStanding> {
    await this.#expireAbandoned();
    await this.#expireUnreferenced();
    return this.#inTurn(list.root, async () => {
      const blob = this.#blobs.get(list.root);
      if (blob?.size === list.size) {
        await this.#touch(list.root, blob);
        return { complete: true, missing: [] };
      }
      this.#demandReplaceable(list.root, uploader.kind === "own");
      const upload = await this.#open(list, uploader);
      return { complete: false, missing: upload.missing() };
    });
  }

  /**
   * Stores one segment; the same one again changes nothing.
   * @throws StorageRefusal 404 when no such upload was begun, 422 for other bytes.
   */
  async putSegment(root: Root, index: number, bytes: Uint8Array, size?: number): Promise<void> {
    if (this.#isPublished(root, size)) return;
    const upload = this.#upload(root, index, size);
    if (!(await this.#write(upload, index, bytes))) throw wrongBytes(root, index);
  }

  /**
   * Stores a run of segments as they come in, each on disk before the next but one is taken in.
   * @param length bytes of the stream, which has to end with a segment
   * @param size of the file, where uploads of several sizes are under way; else the one begun last is meant
   * @param onSlow called when a segment takes too long: ends the stream
   * @throws StorageRefusal as putSegment.
   */
  async putRun(
    root: Root,
    {
      first,
      length,
      stream,
      size: wantedSize,
    }: { first: number; length: number; stream: AsyncIterable<Buffer>; size?: number },
    onSlow: () => void,
  ): Promise<void> {
    if (this.#isPublished(root, wantedSize)) return;
    const upload = this.#upload(root, first, wantedSize);
    const { size } = upload;
    const end = first + Math.ceil(length / SEGMENT_BYTES);
    const wanted = (end - first - 1) * SEGMENT_BYTES + segmentLength(end - 1, size);
    if (end > segmentCount(size) || length !== wanted) throw wrongBytes(root, first);
    const keep = async (index: number, bytes: Uint8Array) => {
      if (!(await this.#write(upload, index, bytes))) throw wrongBytes(root, index);
    };
    const timeout = this.#limits.segmentTimeoutMs ?? SEGMENT_TIMEOUT_MS;
    await upload.file.whileOpen(() =>
      receiveSegments(stream, [first, end], { size, keep, onSlow, timeout }),
    );
  }

  /** The upload under way that has segment `index`. */
  #upload(root: Root, index: number, size?: number): Upload & { file: PartialFile } {
    const upload = this.#uploads.find(root, size);
    if (!upload?.file) throw notBegun(root);
    const count = segmentCount(upload.size);
    if (index < count) return upload as Upload & { file: PartialFile };
    throw noSuchSegment(root, index, count);
  }

  #isPublished(root: Root, size?: number): boolean {
    const blob = this.#blobs.get(root);
    return (
      blob !== undefined && (size === undefined ? !this.#uploads.find(root) : blob.size === size)
    );
  }

  /**
   * Stores one segment of a content of which nobody has the list. The first one begins the upload: before it is proven,
   * nothing is held for it. Such an upload does not outlive this process.
   * @returns true when no segment is missing any more.
   * @throws StorageRefusal 422 when the proof does not lead from these bytes to the root; 401, 413, 429 or 507 without
   * room.
   */
  async putProvenSegment(
    content: { root: Root; size: number },
    { index, bytes, proof }: { index: number; bytes: Uint8Array; proof: SegmentProof },
    uploader: Uploader = MACHINE,
  ): Promise<boolean> {
    const { root, size } = content;
    this.#checkSize(size);
    const segmentRoot = provenRoot(content, index, bytes, proof);
    if (!segmentRoot) throw wrongBytes(root, index);
    if (!this.#uploads.find(root, size)?.file && !this.#isPublished(root, size))
      await this.#begin(unprovenList(root, size), uploader);
    const upload = this.#uploads.find(root, size);
    upload?.file?.list.segmentRoots.set(segmentRoot, index * NODE_BYTES);
    await this.putSegment(root, index, bytes, size);
    return upload?.file?.bytes === size;
  }

  /**
   * Publishes a complete upload; when it returns, the blob survives a power cut.
   * @throws StorageRefusal 404 when no such upload was begun, 409 when segments are missing.
   */
  async finish(root: Root, size?: number): Promise<void> {
    await this.#inTurn(root, async () => {
      if (this.#isPublished(root, size)) return;
      const upload = this.#uploads.find(root, size);
      if (!upload?.file) throw notBegun(root);
      const { file } = upload;
      if (file.bytes < upload.size) throw incomplete(root);
      if (!foldsToItsRoot(file.list)) {
        await this.#discard(upload);
        throw wrongSegmentList(root);
      }
      this.#demandReplaceable(root, upload.room.isOwn); // a task may refer to it by now
      await this.#writeSegmentList(file.list);
      await file.publish(this.blobPath(root));
      this.#published(upload, file);
      await this.#touch(root, this.#blobs.get(root)!);
      // Complete, it shows what the content is: other claims fall.
      for (const claim of [...this.#uploads.of(root)]) await this.#discard(claim);
    });
  }

  /** What a task was ordered for, and what was delivered, stays as it is. */
  #demandReplaceable(root: Root, isOwn: boolean): void {
    const blob = this.#blobs.get(root);
    if (blob && !isOwn && (blob.isOwn || this.isReferenced(root))) throw otherSize(root, blob.size);
  }

  #published(upload: Upload, { list: { root, size } }: PartialFile): void {
    const other = this.#blobs.get(root);
    if (other) {
      this.#room.deleted(other.size);
      this.#quota.release(keyOf({ root, size: other.size }));
    }
    const { isOwn } = upload.room;
    this.#forget(upload);
    this.#room.published(size);
    this.#quota.published(upload.key);
    this.#blobs.set(root, { size, isOwn, usedAt: this.#around.now() });
  }

  async #load(): Promise<void> {
    const blobs = await readdir(join(this.#directory, "blobs"));
    const names = new Set(blobs);
    for (const name of blobs) {
      const path = join(this.#directory, "blobs", name);
      if (ROOT_NAME.test(name)) {
        const { size, mtimeMs } = await stat(path);
        this.#blobs.set(name as Root, { size, isOwn: false, usedAt: mtimeMs });
        this.#room.published(size);
      }
      // A list whose blob was not published before the crash is written again when it is.
      else if (!names.has(name.replace(/\.segments$/, ""))) await rm(path);
    }
    await this.#loadUploads();
  }

  async #loadUploads(): Promise<void> {
    const incoming = await readdir(join(this.#directory, "incoming"));
    const found: Upload[] = [];
    for (const name of incoming) {
      const path = join(this.#directory, "incoming", name);
      const root = PART_NAME.exec(name)?.[1] as Root | undefined;
      if (root) found.push(await this.#restore(root, path));
      // What a crash while publishing left beside a file that has its final name already.
      else if (!incoming.includes(name.replace(/\.have$/, ""))) await rm(path);
    }
    for (const upload of found.sort((a, b) => a.activeAt - b.activeAt)) this.#uploads.add(upload);
  }

  async #restore(root: Root, path: string): Promise<Upload> {
    const { size, blocks } = await stat(path);
    const marks = await stat(`${path}.have`).catch(() => null);
    return {
      ...{ root, size, path, key: keyOf({ root, size }), file: null },
      room: this.#room.restore(size, Math.min(size, blocks * BLOCK_BYTES)),
      activeAt: marks?.mtimeMs ?? -Infinity,
    };
  }

  #checkSize(size: number): void {
    if (size > this.#limits.uploadBytes) throw tooLarge(size, this.#limits.uploadBytes);
  }

  /** The partial file of the upload, opened or begun. */
  async #open(list: SegmentList, uploader: Uploader): Promise<PartialFile> {
    const key = keyOf(list);
    const { root, size } = list;
    const isOwn = uploader.kind === "own";
    const known = this.#uploads.find(root, size);
    // An own delivery takes over what somebody else has begun.
    if (known?.file && (known.room.isOwn || !isOwn)) return known.file;
    if (isOwn) this.#quota.release(key);
    this.#quota.claim(key, uploader, list, this.#around.references());
    const received = known?.room.received ?? 0;
    if (known) this.#room.release(known.room);
    try {
      const room = await this.#room.reserve(size, isOwn);
      const path = known?.path ?? this.#partPath(list);
      const file = known?.file ?? (await this.#openFile(path, list, room));
      this.#room.received(room, file.bytes);
      const activeAt = this.#around.now();
      this.#uploads.add(
        Object.assign(known ?? { key, root, size, path }, { room, file, activeAt }),
      );
      return file;
    } catch (error) {
      if (known) known.room = this.#room.restore(size, received);
      this.#quota.release(key);
      throw error;
    }
  }

  async #openFile(path: string, list: SegmentList, room: Reservation): Promise<PartialFile> {
    try {
      return await PartialFile.open(path, list);
    } catch (error) {
      this.#room.release(room);
      throw error;
    }
  }

  async #write(
    upload: Upload & { file: PartialFile },
    index: number,
    bytes: Uint8Array,
  ): Promise<boolean> {
    const { file, root } = upload;
    try {
      await this.#room.extend(upload.room, bytes.length);
      if (!(await file.write(index, bytes))) return false;
      if (this.#uploads.has(upload)) {
        this.#room.received(upload.room, file.bytes - upload.room.received);
        this.#uploads.keepAlive(upload, this.#around.now());
      }
      return true;
    } catch (error) {
      // The same segment came twice, and the upload was published between check and write.
      if (this.#blobs.get(root)?.size === upload.size) return true;
      throw error;
    }
  }

  async #writeSegmentList({ root, segmentRoots }: SegmentList): Promise<void> {
    const temporary = join(this.#directory, "incoming", `${root}.segments`);
    await writeFile(temporary, segmentRoots);
    await publishFile(temporary, this.segmentListPath(root));
  }

  #forget(upload: Upload): void {
    this.#room.release(upload.room);
    this.#uploads.remove(upload);
  }

  /** Deletes uploads that got no segment for too long. Called when room is needed, so no timer. */
  async #expireAbandoned(): Promise<void> {
    for (const upload of this.#uploads.byActivity()) {
      if (upload.room.isOwn && !this.#isAbandoned(upload)) continue;
      if (!this.#isAbandoned(upload)) return;
      await this.#inTurn(upload.root, async () => {
        // Asked again: it may have gone on, or been finished, while this waited.
        if (this.#uploads.has(upload) && this.#isAbandoned(upload)) await this.#discard(upload);
      });
    }
  }

  #isAbandoned({ activeAt, room }: Upload): boolean {
    const isTooMany = this.#uploads.count >= MAX_UNDER_WAY && !room.isOwn;
    return isTooMany || activeAt <= this.#around.now() - this.#limits.abandonedAfterMs;
  }

  /** Deletes blobs that no task has referred to for long, now and then. Before an upload, so no timer. */
  async #expireUnreferenced(): Promise<void> {
    const now = this.#around.now();
    if (now < this.#sweptAt + SWEEP_INTERVAL) return;
    const references = this.#around.references();
    if (references === null) return;
    this.#sweptAt = now;
    for (const [root, blob] of [...this.#blobs]) {
      const isOld = blob.usedAt <= now - (this.#limits.unreferencedAfterMs ?? Infinity);
      if (!isOld && !references.has(root)) continue;
      await this.#inTurn(root, async () => {
        if (this.#blobs.get(root) !== blob) return;
        // From the end of a task on, its blobs have as long as those that never had one.
        if (references.has(root)) await this.#touch(root, blob);
        else await this.#delete(root, blob);
      });
    }
  }

  /** Notes, on disk too, that a blob is in use. */
  async #touch(root: Root, blob: Blob): Promise<void> {
    blob.usedAt = this.#around.now();
    const seconds = blob.usedAt / 1000;
    await utimes(this.blobPath(root), seconds, seconds);
  }

  async #delete(root: Root, blob: Blob): Promise<void> {
    this.#blobs.delete(root);
    this.#room.deleted(blob.size);
    this.#quota.release(keyOf({ root, size: blob.size }));
    await rm(this.blobPath(root), { force: true });
    await rm(this.segmentListPath(root), { force: true });
  }

  async #discard(upload: Upload): Promise<void> {
    this.#forget(upload);
    this.#quota.release(upload.key);
    await PartialFile.discard(upload.path);
  }

  /** `<root>.part`, unless an upload of another size has that name. */
  #partPath({ root, size }: SegmentList): string {
    const path = join(this.#directory, "incoming", `${root}.part`);
    const isTaken = this.#uploads.of(root).some((other) => other.path === path);
    return isTaken ? join(this.#directory, "incoming", `${root}.${size}.part`) : path;
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
