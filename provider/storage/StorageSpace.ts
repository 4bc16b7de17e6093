import { statfs } from "node:fs/promises";
import { diskFullError, storageFullError } from "./uploadErrors.ts";

/** Bytes reserved for an upload beyond those received: more than its client sends at once. */
const WINDOW = 32 * 2 ** 20;

export interface SpaceLimits {
  /** Limit for all blobs and pending uploads together. */
  readonly totalBytes: number;
  /** Bytes of the disk that are left free for other uses. */
  readonly freeDiskBytes: number;
  /** Share of the storage, and of the free disk, reserved for the provider's own deliveries. Default: 0. */
  readonly ownShare?: number;
}

/** The space of a pending upload. */
export interface Reservation {
  readonly size: number;
  readonly isOwn: boolean;
  /** Reserved bytes, including those received. */
  reserved: number;
  received: number;
}

/**
 * Counts the space of the store: published blobs, and reservations of pending uploads. An upload reserves the bytes
 * received and a window beyond them, so that merely announcing a large size does not block others; the provider's own
 * deliveries reserve their full size.
 */
export class StorageSpace {
  readonly #directory: string;
  readonly #limits: SpaceLimits;
  #published = 0;
  #reserved = 0;
  #received = 0;

  constructor(directory: string, limits: SpaceLimits) {
    this.#directory = directory;
    this.#limits = limits;
  }

  /** Counts an upload that was pending when the store was opened. */
  restore(size: number, received: number): Reservation {
    const reserved = Math.min(size, received + WINDOW);
    this.#reserved += reserved;
    this.#received += received;
    return { size, isOwn: false, reserved, received };
  }

  /**
   * Reserves space for a new upload.
   * @throws StorageError 507 if its full size does not fit.
   */
  async reserve(size: number, isOwn: boolean): Promise<Reservation> {
    const reserved = isOwn ? size : Math.min(size, WINDOW);
    // Reserved before the asynchronous check of the disk: others may begin meanwhile.
    this.#requireSpace(size, isOwn);
    this.#reserved += reserved;
    try {
      await this.#ensureDiskSpace(size, size - reserved, isOwn);
    } catch (error) {
      this.#reserved -= reserved;
      throw error;
    }
    return { size, isOwn, reserved, received: 0 };
  }

  /** Makes sure that the next `length` bytes of an upload fit. @throws StorageError 507 if they do not. */
  async extend(upload: Reservation, length: number): Promise<void> {
    const { size, isOwn, received, reserved } = upload;
    const wanted = Math.min(size, received + length);
    if (wanted <= reserved) return;
    const step = Math.min(size, wanted + WINDOW) - reserved;
    this.#requireSpace(step, isOwn);
    this.#reserved += step;
    upload.reserved += step;
    try {
      await this.#ensureDiskSpace(size, 0, isOwn);
    } catch (error) {
      const left = Math.min(step, upload.reserved); // it may have ended meanwhile
      this.#reserved -= left;
      upload.reserved -= left;
      throw error;
    }
  }

  /** Counts received bytes. */
  received(upload: Reservation, length: number): void {
    upload.received += length;
    this.#received += length;
  }

  /** Releases the reservation of an upload. */
  release(upload: Reservation): void {
    this.#reserved -= upload.reserved;
    this.#received -= upload.received;
    upload.reserved = 0;
    upload.received = 0;
  }

  published(size: number): void {
    this.#published += size;
  }

  deleted(size: number): void {
    this.#published -= size;
  }

  #requireSpace(size: number, isOwn: boolean): void {
    const { totalBytes, ownShare = 0 } = this.#limits;
    const usable = isOwn ? totalBytes : totalBytes * (1 - ownShare);
    if (this.#published + this.#reserved + size > usable) throw storageFullError(size);
  }

  /** @param more bytes in addition to the reserved ones */
  async #ensureDiskSpace(size: number, more: number, isOwn: boolean): Promise<void> {
    const { freeDiskBytes, ownShare = 0 } = this.#limits;
    const disk = await statfs(this.#directory);
    const free = disk.bavail * disk.bsize - freeDiskBytes;
    const usable = isOwn ? free : free * (1 - ownShare);
    if (this.#reserved - this.#received + more > usable) throw diskFullError(size);
  }
}
