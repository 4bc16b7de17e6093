import { keccak256 } from "./keccak.ts";
import { merkleLevels, nodeAt, pathThrough } from "./merkle.ts";
import type { SegmentList } from "./RootHasher.ts";

/** Proof that a segment belongs to a root, in 0G's form. Hashes are 0x-hex. */
export interface SegmentProof {
  /**
   * Segment root, then the siblings from bottom to top, then the root; a single hash if segment root and root are the
   * same.
   */
  readonly lemma: string[];
  /** Per sibling: true if our node is the left child. */
  readonly path: boolean[];
}

/** Proves segment `index` of a file. For many segments of one file, use SegmentTree. */
export function segmentProof(list: SegmentList, index: number): SegmentProof {
  return new SegmentTree(list).prove(index);
}

/** The tree above a file's segments, built once for all proofs. Takes twice the memory of the list. */
export class SegmentTree {
  readonly list: SegmentList;
  readonly #levels: readonly Uint8Array[];

  constructor(list: SegmentList) {
    this.list = list;
    this.#levels = merkleLevels(list.segmentRoots);
  }

  prove(index: number): SegmentProof {
    const steps = pathThrough(this.#levels, index);
    const own = toHex(nodeAt(this.list.segmentRoots, index));
    if (steps.length === 0) return { lemma: [own], path: [] };
    return {
      lemma: [own, ...steps.map((step) => toHex(step.sibling)), this.list.root],
      path: steps.map((step) => step.isLeft),
    };
  }
}

/** Whether the proof leads from its first hash to `root`. Does not verify the position. */
export function verifySegmentProof(proof: SegmentProof, root: string): boolean {
  const { lemma, path } = proof;
  if (lemma.length !== (path.length === 0 ? 1 : path.length + 2)) return false;
  if (lemma.at(-1) !== root) return false;
  let node = fromHex(lemma[0]!);
  path.forEach((isLeft, step) => {
    const sibling = fromHex(lemma[step + 1]!);
    node = keccak256(Buffer.concat(isLeft ? [node, sibling] : [sibling, node]));
  });
  return toHex(node) === root;
}

function toHex(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes).toString("hex")}`;
}

function fromHex(text: string): Uint8Array {
  return Buffer.from(text.slice(2), "hex");
}
