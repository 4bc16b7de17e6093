import { hashPairs } from "./keccak.ts";

/** Bytes of one tree node. A list of nodes is always one array of 32 bytes per node. */
export const NODE_BYTES = 32;

/** One step from a node towards the root. */
export interface PathStep {
  /** 32 bytes. */
  readonly sibling: Uint8Array;
  /** True if our node is the left child, so that the sibling is hashed after it. */
  readonly isLeft: boolean;
}

/**
 * Root of the tree over `nodes` (32 bytes each, at least one): parent = keccak256(left‖right), an odd last node moves
 * up unchanged. As a segment is a perfect subtree, the roots of whole segments fold to the same root as their leaves.
 */
export function merkleRoot(nodes: Uint8Array): Uint8Array {
  let level = nodes;
  while (level.length > NODE_BYTES) level = parents(level);
  return level.slice();
}

/** The steps from node `index` to the root, bottom first; a node that moves up adds no step. */
export function merklePath(nodes: Uint8Array, index: number): PathStep[] {
  return pathThrough(merkleLevels(nodes), index);
}

/** All levels of the tree, `nodes` first and the root last, to be shared by many paths through it. */
export function merkleLevels(nodes: Uint8Array): Uint8Array[] {
  const levels = [nodes];
  for (let level = nodes; level.length > NODE_BYTES; levels.push(level)) level = parents(level);
  return levels;
}

/** The steps from node `index` of the first level to the last. */
export function pathThrough(levels: readonly Uint8Array[], index: number): PathStep[] {
  const path: PathStep[] = [];
  let at = index;
  for (const level of levels.slice(0, -1)) {
    const isLeft = at % 2 === 0;
    const sibling = nodeAt(level, isLeft ? at + 1 : at - 1);
    if (sibling.length > 0) path.push({ sibling: sibling.slice(), isLeft });
    at = Math.floor(at / 2);
  }
  return path;
}

/** Node `index` of a list, a view of 32 bytes; empty past the end. */
export function nodeAt(nodes: Uint8Array, index: number): Uint8Array {
  return nodes.subarray(index * NODE_BYTES, (index + 1) * NODE_BYTES);
}

function parents(level: Uint8Array): Uint8Array {
  const paired = level.length - (level.length % (2 * NODE_BYTES));
  const above = new Uint8Array(Math.ceil(level.length / (2 * NODE_BYTES)) * NODE_BYTES);
  above.set(hashPairs(level.subarray(0, paired)));
  above.set(level.subarray(paired), paired / 2);
  return above;
}
