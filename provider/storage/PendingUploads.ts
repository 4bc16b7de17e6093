import type { Root } from "../../sdk/ids.ts";
import type { PartialFile } from "../../sdk/storage/files/PartialFile.ts";
import type { Reservation } from "./StorageSpace.ts";

/** An upload whose blob is not published yet. */
export interface Upload {
  /** Identifies root and size. */
  readonly key: string;
  readonly root: Root;
  readonly size: number;
  readonly path: string;
  reservation: Reservation;
  /** Null after a restart, until the upload is resumed. */
  file: PartialFile | null;
  /** When it was begun, or received its last segment, in milliseconds. */
  activeAt: number;
}

/** The key of root and size together: files that differ only in trailing zeros have the same root. */
export const keyOf = ({ root, size }: { root: Root; size: number }) => `${root}.${size}`;

/** All pending uploads, indexed by file and ordered by their last activity, with operations in constant time. */
export class PendingUploads {
  /** By key, longest idle first. */
  readonly #byKey = new Map<string, Upload>();
  /** By root, in the order in which they were begun. */
  readonly #byRoot = new Map<Root, Upload[]>();

  get count(): number {
    return this.#byKey.size;
  }

  /** The upload of that root and size; without a size, the last one begun for that root. */
  find(root: Root, size?: number): Upload | undefined {
    return size === undefined ? this.of(root).at(-1) : this.#byKey.get(keyOf({ root, size }));
  }

  /** All uploads of one root. */
  of(root: Root): readonly Upload[] {
    return this.#byRoot.get(root) ?? [];
  }

  has(upload: Upload): boolean {
    return this.#byKey.get(upload.key) === upload;
  }

  /** Longest idle first. */
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

  /** Records that an upload received a segment. */
  keepAlive(upload: Upload, now: number): void {
    upload.activeAt = now;
    this.#byKey.delete(upload.key);
    this.#byKey.set(upload.key, upload);
  }

  #others({ root, key }: Upload): Upload[] {
    return this.of(root).filter((other) => other.key !== key);
  }
}
