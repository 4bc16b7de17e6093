import { statfs } from "node:fs/promises";
import { diskFullError, storageFullError } from "./uploadErrors.ts";

/** Bytes beyond those received for which an upload holds room: what its client sends at once, and more. */
const WINDOW = 32 * 2 ** 20;

export interface SpaceLimits {
  /** Bytes of all blobs and of all uploads under way. */
  readonly totalBytes: number;
  /** Bytes of the disk that stay free for everything else. */
  readonly freeDiskBytes: number;
  /** Part of the room, and of the free disk, that only the provider's own deliveries may take. Without it, none. */
  readonly ownShare?: number;
}

/** An upload under way. */
export interface Reservation {
  readonly size: number;
  readonly isOwn: boolean;
  /** Bytes that it holds room for, those received included. */
  reserved: number;
  received: number;
}

/**
 * The room of the store, by counters: what is published, and what uploads under way hold. An upload holds what has
 * arrived and a window beyond it, because whoever only claims a size must not keep others out; the provider's own
 * deliveries hold their full size.
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

  /** Counts what was there when the store was opened. */
  restore(size: number, received: number): Reservation {
    const reserved = Math.min(size, received + WINDOW);
    this.#reserved += reserved;
    this.#received += received;
    return { size, isOwn: false, reserved, received };
  }

  /**
   * Holds room for an upload that begins.
   * @throws StorageError 507 when the whole of it would not fit now.
   */
  async reserve(size: number, isOwn: boolean): Promise<Reservation> {
    const reserved = isOwn ? size : Math.min(size, WINDOW);
    // Held before the disk is asked: others begin meanwhile.
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

  /** Makes sure that the next `length` bytes of an upload have room. @throws StorageError 507 when they have none. */
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
      const left = Math.min(step, upload.reserved); // it may be over meanwhile
      this.#reserved -= left;
      upload.reserved -= left;
      throw error;
    }
  }

  /** Counts bytes that have arrived. */
  received(upload: Reservation, length: number): void {
    upload.received += length;
    this.#received += length;
  }

  /** Gives back what an upload holds. */
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

  /** @param more bytes beyond those that are reserved */
  async #ensureDiskSpace(size: number, more: number, isOwn: boolean): Promise<void> {
    const { freeDiskBytes, ownShare = 0 } = this.#limits;
    const disk = await statfs(this.#directory);
    const free = disk.bavail * disk.bsize - freeDiskBytes;
    const usable = isOwn ? free : free * (1 - ownShare);
    if (this.#reserved - this.#received + more > usable) throw diskFullError(size);
  }
}
