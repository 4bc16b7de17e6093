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
import { keyOf, PendingUploads, type Upload } from "./PendingUploads.ts";
import { type Reservation, type SpaceLimits, StorageSpace } from "./StorageSpace.ts";
import { type QuotaLimits, UploadQuota } from "./UploadQuota.ts";
import {
  incompleteError,
  noSuchSegmentError,
  notBegunError,
  otherSizeError,
  tooLargeError,
  wrongBytesError,
  wrongSegmentListError,
} from "./uploadErrors.ts";
import { MACHINE, type Uploader } from "./uploader.ts";

export interface StorageLimits extends SpaceLimits, QuotaLimits {
  /** Largest blob, in bytes. */
  readonly uploadBytes: number;
  /** Milliseconds without a new segment after which an upload counts as abandoned. */
  readonly abandonedAfterMs: number;
  /** Milliseconds after which a blob that no task refers to is deleted. Default: never. */
  readonly unreferencedAfterMs?: number;
  /** Milliseconds within which a segment must be received. Default: SEGMENT_TIMEOUT_MS. */
  readonly segmentTimeoutMs?: number;
  /** Milliseconds over which the rate of a body is averaged. Default: RATE_WINDOW. */
  readonly rateWindowMs?: number;
}

/** The store's dependencies on the surrounding program. */
export interface StoreSurroundings {
  /** The clock, in milliseconds. */
  readonly now: () => number;
  /** Roots that open tasks refer to: exempt from quotas and expiry. Null if not known yet. */
  readonly references: () => ReadonlySet<string> | null;
}

/** Milliseconds between checks for expired blobs. */
const SWEEP_INTERVAL = 3_600_000;

/** Most pending uploads of all accounts together. Beyond it, the one that has been idle for longest is discarded. */
const MAX_PENDING = 16_384;

/** The status of an upload. */
export interface UploadStanding {
  /** True if the blob is published. */
  readonly complete: boolean;
  readonly missing: SegmentRange[];
}

/** Unit of `stat().blocks`. */
const BLOCK_BYTES = 512;

const ROOT_NAME = /^0x[0-9a-f]{64}$/;
const PART_NAME = /^(0x[0-9a-f]{64})(\.\d+)?\.part$/;

interface Blob {
  readonly size: number;
  /** Delivered by this daemon since it started. */
  readonly isOwn: boolean;
  /** Milliseconds. */
  usedAt: number;
}

/**
 * Blobs on disk, named by their root. `blobs/<root>` is complete and durable as soon as its name exists,
 * `blobs/<root>.segments` is its segment list, and `incoming/<root>.part` is a pending upload. One process at a time
 * owns the directory.
 *
 * Files that differ only in trailing zeros have the same root. Uploads of one root with several sizes proceed in
 * parallel, so that a wrong size does not block the right one; the first to complete ends the others.
 */
export class BlobStore {
  readonly #directory: string;
  readonly #limits: StorageLimits;
  readonly #surroundings: StoreSurroundings;
  readonly #quota: UploadQuota;
  readonly #space: StorageSpace;
  readonly #blobs = new Map<Root, Blob>();
  readonly #uploads = new PendingUploads();
  /** The last queued operation per root: begin, finish and expiry of one root never overlap. */
  readonly #queues = new Map<Root, Promise<unknown>>();
  #sweptAt = 0;

  private constructor(directory: string, limits: StorageLimits, around: StoreSurroundings) {
    this.#directory = directory;
    this.#limits = limits;
    this.#surroundings = around;
    this.#quota = new UploadQuota(limits);
    this.#space = new StorageSpace(directory, limits);
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

  /** Bytes of a published blob; undefined if there is none. */
  size(root: Root): number | undefined {
    return this.#blobs.get(root)?.size;
  }

  /** Whether an open task refers to it. */
  isReferenced(root: Root): boolean {
    return this.#surroundings.references()?.has(root) ?? false;
  }

  blobPath(root: Root): string {
    return join(this.#directory, "blobs", root);
  }

  segmentListPath(root: Root): string {
    return `${this.blobPath(root)}.segments`;
  }

  /**
   * Begins or resumes an upload.
   * @param uploader account that it counts for
   * @throws StorageError 422 if the list does not hash to its root; 401, 413, 429 or 507 at a limit.
   */
  async begin(list: SegmentList, uploader: Uploader = MACHINE): Promise<UploadStanding> {
    this.#checkSize(list.size);
    if (!foldsToItsRoot(list)) throw wrongSegmentListError(list.root);
    const standing = await this.#begin(list, uploader);
    // An upload that was begun without its list gets it now.
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
      this.#requireReplaceable(list.root, uploader.kind === "own");
      const upload = await this.#open(list, uploader);
      return { complete: false, missing: upload.missing() };
    });
  }

  /**
   * Stores one segment. Idempotent.
   * @throws StorageError 404 if no such upload is pending, 422 for wrong bytes.
   */
  async putSegment(root: Root, index: number, bytes: Uint8Array, size?: number): Promise<void> {
    if (this.#isPublished(root, size)) return;
    const upload = this.#upload(root, index, size);
    if (!(await this.#write(upload, index, bytes))) throw wrongBytesError(root, index);
  }

  /**
   * Stores a run of consecutive segments from a stream. At most two segments are held in memory.
   * @param length bytes of the stream, which must end at the end of a segment
   * @param size of the file, if uploads of several sizes are pending; default: that of the one begun last
   * @param onSlow called if a segment takes too long; must end the stream
   * @throws StorageError like putSegment.
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
    if (end > segmentCount(size) || length !== wanted) throw wrongBytesError(root, first);
    const keep = async (index: number, bytes: Uint8Array) => {
      if (!(await this.#write(upload, index, bytes))) throw wrongBytesError(root, index);
    };
    const timeout = this.#limits.segmentTimeoutMs ?? SEGMENT_TIMEOUT_MS;
    await upload.file.whileOpen(() =>
      receiveSegments(stream, [first, end], { size, keep, onSlow, timeout }),
    );
  }

  /** The pending upload that has segment `index`. */
  #upload(root: Root, index: number, size?: number): Upload & { file: PartialFile } {
    const upload = this.#uploads.find(root, size);
    if (!upload?.file) throw notBegunError(root);
    const count = segmentCount(upload.size);
    if (index < count) return upload as Upload & { file: PartialFile };
    throw noSuchSegmentError(root, index, count);
  }

  #isPublished(root: Root, size?: number): boolean {
    const blob = this.#blobs.get(root);
    return (
      blob !== undefined && (size === undefined ? !this.#uploads.find(root) : blob.size === size)
    );
  }

  /**
   * Stores one segment of a file whose segment list is unknown. The first valid one begins the upload; nothing is
   * reserved before its proof is checked. Such an upload does not survive a restart.
   * @returns true if no segment is missing.
   * @throws StorageError 422 if the proof does not lead from the bytes to the root; 401, 413, 429 or 507 at a limit.
   */
  async putProvenSegment(
    content: { root: Root; size: number },
    { index, bytes, proof }: { index: number; bytes: Uint8Array; proof: SegmentProof },
    uploader: Uploader = MACHINE,
  ): Promise<boolean> {
    const { root, size } = content;
    this.#checkSize(size);
    const segmentRoot = provenRoot(content, index, bytes, proof);
    if (!segmentRoot) throw wrongBytesError(root, index);
    if (!this.#uploads.find(root, size)?.file && !this.#isPublished(root, size))
      await this.#begin(unprovenList(root, size), uploader);
    const upload = this.#uploads.find(root, size);
    upload?.file?.list.segmentRoots.set(segmentRoot, index * NODE_BYTES);
    await this.putSegment(root, index, bytes, size);
    return upload?.file?.bytes === size;
  }

  /**
   * Publishes a complete upload. When it returns, the blob survives a power loss.
   * @throws StorageError 404 if no such upload is pending, 409 if segments are missing.
   */
  async finish(root: Root, size?: number): Promise<void> {
    await this.#inTurn(root, async () => {
      if (this.#isPublished(root, size)) return;
      const upload = this.#uploads.find(root, size);
      if (!upload?.file) throw notBegunError(root);
      const { file } = upload;
      if (file.bytes < upload.size) throw incompleteError(root);
      if (!foldsToItsRoot(file.list)) {
        await this.#discard(upload);
        throw wrongSegmentListError(root);
      }
      this.#requireReplaceable(root, upload.reservation.isOwn); // a task may refer to it by now
      await this.#writeSegmentList(file.list);
      await file.publish(this.blobPath(root));
      this.#published(upload, file);
      await this.#touch(root, this.#blobs.get(root)!);
      // The complete file proves its size: uploads of other sizes are discarded.
      for (const claim of [...this.#uploads.of(root)]) await this.#discard(claim);
    });
  }

  /** Blobs that tasks refer to, and the provider's own deliveries, must not be replaced. */
  #requireReplaceable(root: Root, isOwn: boolean): void {
    const blob = this.#blobs.get(root);
    if (blob && !isOwn && (blob.isOwn || this.isReferenced(root)))
      throw otherSizeError(root, blob.size);
  }

  #published(upload: Upload, { list: { root, size } }: PartialFile): void {
    const other = this.#blobs.get(root);
    if (other) {
      this.#space.deleted(other.size);
      this.#quota.release(keyOf({ root, size: other.size }));
    }
    const { isOwn } = upload.reservation;
    this.#forget(upload);
    this.#space.published(size);
    this.#quota.published(upload.key);
    this.#blobs.set(root, { size, isOwn, usedAt: this.#surroundings.now() });
  }

  async #load(): Promise<void> {
    const blobs = await readdir(join(this.#directory, "blobs"));
    const names = new Set(blobs);
    for (const name of blobs) {
      const path = join(this.#directory, "blobs", name);
      if (ROOT_NAME.test(name)) {
        const { size, mtimeMs } = await stat(path);
        this.#blobs.set(name as Root, { size, isOwn: false, usedAt: mtimeMs });
        this.#space.published(size);
      }
      // If a crash prevented a blob from being published, its list will be written again.
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
      // Left by a crash during publishing, after the file got its final name.
      else if (!incoming.includes(name.replace(/\.have$/, ""))) await rm(path);
    }
    for (const upload of found.sort((a, b) => a.activeAt - b.activeAt)) this.#uploads.add(upload);
  }

  async #restore(root: Root, path: string): Promise<Upload> {
    const { size, blocks } = await stat(path);
    const marks = await stat(`${path}.have`).catch(() => null);
    return {
      ...{ root, size, path, key: keyOf({ root, size }), file: null },
      reservation: this.#space.restore(size, Math.min(size, blocks * BLOCK_BYTES)),
      activeAt: marks?.mtimeMs ?? -Infinity,
    };
  }

  #checkSize(size: number): void {
    if (size > this.#limits.uploadBytes) throw tooLargeError(size, this.#limits.uploadBytes);
  }

  /** Opens or begins the partial file of an upload. */
  async #open(list: SegmentList, uploader: Uploader): Promise<PartialFile> {
    const key = keyOf(list);
    const { root, size } = list;
    const isOwn = uploader.kind === "own";
    const known = this.#uploads.find(root, size);
    // The provider's own delivery takes over an upload begun by another client.
    if (known?.file && (known.reservation.isOwn || !isOwn)) return known.file;
    if (isOwn) this.#quota.release(key);
    this.#quota.claim(key, uploader, list, this.#surroundings.references());
    const received = known?.reservation.received ?? 0;
    if (known) this.#space.release(known.reservation);
    try {
      const reservation = await this.#space.reserve(size, isOwn);
      const path = known?.path ?? this.#partPath(list);
      const file = known?.file ?? (await this.#openFile(path, list, reservation));
      this.#space.received(reservation, file.bytes);
      const activeAt = this.#surroundings.now();
      this.#uploads.add(
        Object.assign(known ?? { key, root, size, path }, { reservation, file, activeAt }),
      );
      return file;
    } catch (error) {
      if (known) known.reservation = this.#space.restore(size, received);
      this.#quota.release(key);
      throw error;
    }
  }

  async #openFile(path: string, list: SegmentList, reservation: Reservation): Promise<PartialFile> {
    try {
      return await PartialFile.open(path, list);
    } catch (error) {
      this.#space.release(reservation);
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
      await this.#space.extend(upload.reservation, bytes.length);
      if (!(await file.write(index, bytes))) return false;
      if (this.#uploads.has(upload)) {
        this.#space.received(upload.reservation, file.bytes - upload.reservation.received);
        this.#uploads.keepAlive(upload, this.#surroundings.now());
      }
      return true;
    } catch (error) {
      // The segment was sent twice, and the upload was published between check and write.
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
    this.#space.release(upload.reservation);
    this.#uploads.remove(upload);
  }

  /** Deletes uploads without a new segment for too long. Called before an upload, so there is no timer. */
  async #expireAbandoned(): Promise<void> {
    for (const upload of this.#uploads.byActivity()) {
      if (upload.reservation.isOwn && !this.#isAbandoned(upload)) continue;
      if (!this.#isAbandoned(upload)) return;
      await this.#inTurn(upload.root, async () => {
        // Checked again: it may have continued or finished while this was waiting.
        if (this.#uploads.has(upload) && this.#isAbandoned(upload)) await this.#discard(upload);
      });
    }
  }

  #isAbandoned({ activeAt, reservation }: Upload): boolean {
    const isTooMany = this.#uploads.count >= MAX_PENDING && !reservation.isOwn;
    return isTooMany || activeAt <= this.#surroundings.now() - this.#limits.abandonedAfterMs;
  }

  /** Deletes expired blobs, once per SWEEP_INTERVAL. Called before an upload, so there is no timer. */
  async #expireUnreferenced(): Promise<void> {
    const now = this.#surroundings.now();
    if (now < this.#sweptAt + SWEEP_INTERVAL) return;
    const references = this.#surroundings.references();
    if (references === null) return;
    this.#sweptAt = now;
    for (const [root, blob] of [...this.#blobs]) {
      const isOld = blob.usedAt <= now - (this.#limits.unreferencedAfterMs ?? Infinity);
      if (!isOld && !references.has(root)) continue;
      await this.#inTurn(root, async () => {
        if (this.#blobs.get(root) !== blob) return;
        // Restarts the expiry: after its task has ended, a blob is kept as long as one without a task.
        if (references.has(root)) await this.#touch(root, blob);
        else await this.#delete(root, blob);
      });
    }
  }

  /** Records, also on disk, that a blob is in use. */
  async #touch(root: Root, blob: Blob): Promise<void> {
    blob.usedAt = this.#surroundings.now();
    const seconds = blob.usedAt / 1000;
    await utimes(this.blobPath(root), seconds, seconds);
  }

  async #delete(root: Root, blob: Blob): Promise<void> {
    this.#blobs.delete(root);
    this.#space.deleted(blob.size);
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

  /** Runs `step` after all operations queued earlier for this root. */
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
