import { ProtocolError } from "../../errors.ts";
import type { Root } from "../../ids.ts";
import { merkleRoot, NODE_BYTES } from "./merkle.ts";
import { paddedSegmentCount, SEGMENT_BYTES, segmentCount, segmentRoot } from "./segment.ts";

/** The root of a file, and the segment roots that verify its parts. */
export interface SegmentList {
  readonly root: Root;
  /** 32 bytes per segment of the tree, including segments of only padding. */
  readonly segmentRoots: Uint8Array;
  /** Size of the file in bytes. The root determines it only up to zeros within the padding. */
  readonly size: number;
}

/**
 * Computes the 0G root of bytes that arrive in pieces. Holds one segment and 32 bytes per processed segment in memory.
 */
export class RootHasher {
  readonly #pending = new Uint8Array(SEGMENT_BYTES);
  readonly #roots: Uint8Array[] = [];
  #size = 0;

  /** Adds the next bytes. They are copied or hashed before this returns. */
  update(bytes: Uint8Array): this {
    for (let at = 0; at < bytes.length; ) {
      const filled = this.#size % SEGMENT_BYTES;
      const piece = bytes.subarray(at, at + SEGMENT_BYTES - filled);
      this.#pending.set(piece, filled);
      this.#size += piece.length;
      at += piece.length;
      // The root of a full segment does not depend on where the file ends, so it can be computed now.
      if (filled + piece.length === SEGMENT_BYTES) this.#pushSegment(this.#pending);
    }
    return this;
  }

  /**
   * Ends the file. Call it only once.
   * @throws ProtocolError "usage" if no bytes were added: an empty file has no root.
   */
  digest(): SegmentList {
    const size = this.#size;
    if (size === 0) {
      throw new ProtocolError(
        "usage",
        "Empty content has no storage root.",
        "Give at least one byte.",
      );
    }
    if (this.#roots.length < segmentCount(size)) {
      this.#pushSegment(this.#pending.subarray(0, size % SEGMENT_BYTES));
    }
    const segmentRoots = new Uint8Array(paddedSegmentCount(size) * NODE_BYTES);
    this.#roots.forEach((root, index) => {
      segmentRoots.set(root, index * NODE_BYTES);
    });
    fillPadding(segmentRoots, this.#roots.length);
    return { root: rootFromSegments(segmentRoots, size), segmentRoots, size };
  }

  #pushSegment(bytes: Uint8Array): void {
    this.#roots.push(segmentRoot(bytes, this.#roots.length, this.#size));
  }
}

/** Root and segment roots of `bytes`. @throws ProtocolError "usage" if there are none. */
export function rootOfBytes(bytes: Uint8Array): SegmentList {
  return new RootHasher().update(bytes).digest();
}

/** Padding past the last data segment always consists of full segments. */
export function fillPadding(segmentRoots: Uint8Array, count: number): void {
  if (segmentRoots.length === count * NODE_BYTES) return;
  const padding = segmentRoot(new Uint8Array(0), 0, SEGMENT_BYTES);
  for (let at = count * NODE_BYTES; at < segmentRoots.length; at += NODE_BYTES) {
    segmentRoots.set(padding, at);
  }
}

/**
 * The root of a list of segment roots.
 * @throws ProtocolError "integrity" if the length of the list does not match `size`.
 */
export function rootFromSegments(segmentRoots: Uint8Array, size: number): Root {
  if (size < 1 || segmentRoots.length !== paddedSegmentCount(size) * NODE_BYTES) {
    throw new ProtocolError(
      "integrity",
      `A list of ${segmentRoots.length} bytes is not the segment list of ${size} bytes.`,
      "Get the list again from another source.",
    );
  }
  return `0x${Buffer.from(merkleRoot(segmentRoots)).toString("hex")}` as Root;
}
