import { hashChunks } from "../tree/keccak.ts";
import { merkleRoot, NODE_BYTES } from "../tree/merkle.ts";
import type { SegmentList } from "../tree/RootHasher.ts";
import { paddedChunkCount, SEGMENT_CHUNKS } from "../tree/segment.ts";

/** A perfect subtree of a file, in the form of 0G's Flow contract. */
export interface SubmissionNode {
  /** The subtree has 2^height chunks. */
  readonly height: number;
  /** 32 bytes as 0x-hex. */
  readonly root: string;
}

/**
 * The perfect subtrees that make up a file's tree, largest first: one per set bit of its chunk count. `lastSegment`
 * contains the bytes of the last non-padding segment, which are needed for subtrees smaller than a segment.
 */
export function submissionNodes(list: SegmentList, lastSegment: Uint8Array): SubmissionNode[] {
  const chunks = paddedChunkCount(list.size);
  const tail = hashChunks(lastSegment, chunks % SEGMENT_CHUNKS);
  const nodes: SubmissionNode[] = [];
  let at = 0;
  for (let height = Math.floor(Math.log2(chunks)); height >= 0; height--) {
    const span = 2 ** height;
    if (Math.floor(chunks / span) % 2 === 0) continue;
    const [source, first, count] =
      span < SEGMENT_CHUNKS
        ? [tail, at % SEGMENT_CHUNKS, span]
        : [list.segmentRoots, at / SEGMENT_CHUNKS, span / SEGMENT_CHUNKS];
    const subtree = source.subarray(first * NODE_BYTES, (first + count) * NODE_BYTES);
    nodes.push({ height, root: `0x${Buffer.from(merkleRoot(subtree)).toString("hex")}` });
    at += span;
  }
  return nodes;
}
