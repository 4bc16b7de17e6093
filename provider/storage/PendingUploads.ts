import type { Root } from "../../sdk/ids.ts";
import type { PartialFile } from "../../sdk/storage/files/PartialFile.ts";
import type { Reservation } from "./StorageSpace.ts";

/** An upload that is not published yet. */
export interface Upload {
  /** Names root and size. */
  readonly key: string;
  readonly root: Root;
  readonly size: number;
  readonly path: string;
  reservation: Reservation;
  /** Null after a restart, until it is begun again. */
  file: PartialFile | null;
  /** Milliseconds of the clock when it was begun, or got its last segment. */
  activeAt: number;
}

/** A content of one size: files that differ in zeros at their end share a root. */
export const keyOf = ({ root, size }: { root: Root; size: number }) => `${root}.${size}`;

/** All uploads that are not published, found by content and in the order of their last activity, at constant cost. */
export class PendingUploads {
  /** By key, the one that has been idle for longest first. */
  readonly #byKey = new Map<string, Upload>();
  /** Of each root, the one begun last at the end. */
  readonly #byRoot = new Map<Root, Upload[]>();

  get count(): number {
    return this.#byKey.size;
  }

  /** The upload of that content; without a size, the one of that root that was begun last. */
  find(root: Root, size?: number): Upload | undefined {
    return size === undefined ? this.of(root).at(-1) : this.#byKey.get(keyOf({ root, size }));
  }

  /** All of one root. */
  of(root: Root): readonly Upload[] {
    return this.#byRoot.get(root) ?? [];
  }

  has(upload: Upload): boolean {
    return this.#byKey.get(upload.key) === upload;
  }

  /** From the one that has been idle for longest. */
  byActivity(): Iterable<Upload> {
    return this.#byKey.values();
  }

  add(upload: Upload): void {
    this.#byKey.delete(upload.key);
    this.#byKey.set(upload.key, upload);
    this.#byRoot.set(upload.root, [...this.#others(upload), upload]);
  }

  remove(upload: Upload): void {
    this.#byKey.delete(upload.key);
    const others = this.#others(upload);
    if (others.length > 0) this.#byRoot.set(upload.root, others);
    else this.#byRoot.delete(upload.root);
  }

  /** Notes that it got a segment. */
  keepAlive(upload: Upload, now: number): void {
    upload.activeAt = now;
    this.#byKey.delete(upload.key);
    this.#byKey.set(upload.key, upload);
  }

  #others({ root, key }: Upload): Upload[] {
    return this.of(root).filter((other) => other.key !== key);
  }
}
