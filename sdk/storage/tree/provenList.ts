import type { Root } from "../../ids.ts";
import { keccak256 } from "./keccak.ts";
import { NODE_BYTES } from "./merkle.ts";
import type { SegmentList } from "./RootHasher.ts";
import type { SegmentProof } from "./SegmentTree.ts";
import {
  paddedSegmentCount,
  SEGMENT_BYTES,
  segmentCount,
  segmentLength,
  segmentRoot,
} from "./segment.ts";

/**
 * A segment list in which only the padding is known. The other roots are zero until `proveSegment` sets them. A
 * complete list still has to be verified against the root: the proofs do not cover the padding of a file whose declared
 * size is too small.
 */
export function unprovenList(root: Root, size: number): SegmentList {
  const segmentRoots = new Uint8Array(paddedSegmentCount(size) * NODE_BYTES);
  const first = segmentCount(size) * NODE_BYTES;
  if (first < segmentRoots.length) {
    // Padding past the last data segment always consists of full segments.
    const padding = segmentRoot(new Uint8Array(0), 0, SEGMENT_BYTES);
    for (let at = first; at < segmentRoots.length; at += NODE_BYTES) segmentRoots.set(padding, at);
  }
  return { root, segmentRoots, size };
}

/**
 * Sets the root of segment `index` in the list if the proof leads from these bytes, at this position, to the root.
 * @param bytes the unpadded bytes of the segment
 * @returns false, with the list unchanged, for other bytes, another position or another root
 */
export function proveSegment(
  list: SegmentList,
  index: number,
  bytes: Uint8Array,
  proof: SegmentProof,
): boolean {
  const own = provenRoot(list, index, bytes, proof);
  if (own === null) return false;
  list.segmentRoots.set(own, index * NODE_BYTES);
  return true;
}

/**
 * The root of segment `index`, if the proof leads from these bytes, at this position, to the content's root; otherwise
 * null.
 */
export function provenRoot(
  { root, size }: Pick<SegmentList, "root" | "size">,
  index: number,
  bytes: Uint8Array,
  proof: SegmentProof,
): Uint8Array | null {
  if (index >= segmentCount(size) || bytes.length !== segmentLength(index, size)) return null;
  const own = segmentRoot(bytes, index, size);
  return leads(root, own, index, paddedSegmentCount(size), proof) ? own : null;
}

/** Whether the proof leads from node `index` of a level of `count` nodes to the root along the correct path. */
function leads(
  root: Root,
  own: Uint8Array,
  index: number,
  count: number,
  { lemma, path }: SegmentProof,
): boolean {
  const siblings = path.length === 0 ? [] : lemma.slice(1, -1);
  if (lemma.length !== (path.length === 0 ? 1 : path.length + 2)) return false;
  let node = own;
  let used = 0;
  for (let last = count - 1, at = index; last > 0; last >>>= 1, at >>>= 1) {
    const isLeft = at % 2 === 0;
    if (isLeft && at === last) continue; // an odd last node moves up unchanged
    const sibling = Buffer.from(siblings[used]?.slice(2) ?? "", "hex");
    if (sibling.length !== NODE_BYTES || path[used] !== isLeft) return false;
    node = keccak256(Buffer.concat(isLeft ? [node, sibling] : [sibling, node]));
    used++;
  }
  return used === path.length && `0x${Buffer.from(node).toString("hex")}` === root;
}
