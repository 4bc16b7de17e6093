import { ProtocolError } from "../errors.ts";
import { SEGMENT_BYTES } from "../storage/tree/segment.ts";

/** Bytes of one page, the unit of a proof. */
export const PAGE_BYTES = 4096;

/** Bytes of one digest (SHA-256) in a hash page. */
export const DIGEST_BYTES = 32;

/** Digests in one hash page. */
export const PAGE_ENTRIES = PAGE_BYTES / DIGEST_BYTES;

/** Pages of one segment, which share a key. */
export const SEGMENT_PAGES = SEGMENT_BYTES / PAGE_BYTES;

/** 128 TiB: keeps segment numbers, hash pages included, within 32 bits, and chunk numbers within 40. */
const MAX_SIZE = 2 ** 47;

/** One level of the container: data pages are level 0, the last level is the single top page. */
export interface Level {
  /** Number of its first page in the file. */
  readonly firstPage: number;
  readonly pages: number;
}

/** Layout of the container for a plaintext of `size` bytes. */
export interface Geometry {
  readonly size: number;
  readonly levels: readonly Level[];
  /** Pages of all levels. */
  readonly totalPages: number;
  /** Bytes of the encrypted file: totalPages × 4096. */
  readonly encryptedSize: number;
}

/** The position of a digest: entry `entry` of page `page`. */
export interface ParentEntry {
  readonly page: number;
  readonly entry: number;
}

/**
 * Computes the layout from the size alone, so that neither a proof nor a provider can choose it.
 * @throws ProtocolError "usage" for an impossible size.
 * @example const { encryptedSize, totalPages } = geometryOf(task.size);
 */
export function geometryOf(size: number): Geometry {
  if (!Number.isSafeInteger(size) || size < 1 || size > MAX_SIZE) {
    throw new ProtocolError(
      "usage",
      `A deliverable cannot have ${size} bytes.`,
      "Give a size from 1 byte to 128 TiB.",
    );
  }
  const levels: Level[] = [];
  let totalPages = 0;
  let pages = Math.ceil(size / PAGE_BYTES);
  while (pages > 1) {
    levels.push({ firstPage: totalPages, pages });
    totalPages += pages;
    pages = Math.ceil(pages / PAGE_ENTRIES);
  }
  levels.push({ firstPage: totalPages, pages: 1 });
  totalPages += 1;
  return { size, levels, totalPages, encryptedSize: totalPages * PAGE_BYTES };
}

/**
 * Level of a page: 0 for data, `levels.length - 1` for the top page.
 * @example const isData = levelOf(geometryOf(task.size), page) === 0;
 */
export function levelOf({ levels }: Geometry, page: number): number {
  return levels.findIndex((level) => page < level.firstPage + level.pages);
}

/**
 * The position of a page's digest; null for the top page, whose digest is contentRoot.
 * @example const isTop = parentOf(geometryOf(task.size), page) === null;
 */
export function parentOf(geometry: Geometry, page: number): ParentEntry | null {
  const level = levelOf(geometry, page);
  const above = geometry.levels[level + 1];
  if (!above) return null;
  const position = page - geometry.levels[level]!.firstPage;
  return {
    page: above.firstPage + Math.floor(position / PAGE_ENTRIES),
    entry: position % PAGE_ENTRIES,
  };
}

/**
 * Segment that a page is in.
 * @example const j = segmentOf(page) % BLINDS;
 */
export function segmentOf(page: number): number {
  return Math.floor(page / SEGMENT_PAGES);
}
