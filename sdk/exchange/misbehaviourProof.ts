import { merkleRoot } from "../storage/tree/merkle.ts";
import { CHUNK_BYTES } from "../storage/tree/segment.ts";
import { BLINDS, blindAt, blindLeaves, blindProof } from "./blind.ts";
import { buildChunkProof } from "./chunkProof.ts";
import {
  DIGEST_BYTES,
  geometryOf,
  PAGE_BYTES,
  type ParentEntry,
  parentOf,
  SEGMENT_PAGES,
  segmentOf,
} from "./geometry.ts";
import { chunkPath, type SealedFile } from "./SealedFile.ts";
import type { ExchangeKeys } from "./segmentKey.ts";

/**
 * Proves to the contract that a page of a deliverable does not match its entry. Names and order are those of the
 * Solidity struct; a path consists of the siblings (32 bytes each) from the bottom to the root, and a node that moves
 * up unchanged adds none.
 */
export interface MisbehaviourProof {
  /** s, as revealed. */
  readonly key: Uint8Array;
  /** Opens the task's `exchange`, together with contentRoot and keccak256(key). */
  readonly blindRoot: Uint8Array;
  /** 0x-hex. */
  readonly contentRoot: string;
  /** Number of the page in the container; the last one is the top page. */
  readonly page: number;
  /** 4,096 bytes, encrypted. */
  readonly pageBytes: Uint8Array;
  /** From the page's subtree of 16 chunks to the storage root. */
  readonly pagePath: readonly Uint8Array[];
  /** u_j of the page's segment. */
  readonly blind: Uint8Array;
  readonly blindPath: readonly Uint8Array[];
  /** The chunk of the parent page that holds the entry, 256 bytes, encrypted; empty for the top page. */
  readonly entryChunk: Uint8Array;
  /** From that chunk to the storage root. */
  readonly entryPath: readonly Uint8Array[];
  /** u_j of the parent page's segment; zero, with an empty path, if both pages share it. */
  readonly entryBlind: Uint8Array;
  readonly entryBlindPath: readonly Uint8Array[];
}

/** The keys of the container, and the disputed page. */
export interface BuildMisbehaviourProofParameters extends Omit<ExchangeKeys, "taskId"> {
  /** Bytes of the plaintext, as delivered on chain. */
  readonly size: number;
  /** As delivered on chain, 0x-hex. */
  readonly contentRoot: string;
  /** Number of a page of the container. */
  readonly page: number;
}

const PAGE_CHUNKS = PAGE_BYTES / CHUNK_BYTES;
/** Levels of the storage tree within one page. */
const PAGE_HEIGHT = Math.log2(PAGE_CHUNKS);

/**
 * Builds the proof that `page` does not match its entry, without checking whether that is so. Reads one or two segments
 * of the file.
 * @throws ProtocolError "usage" for an impossible size.
 * @example
 * const { size, contentRoot } = delivery;
 * const proof = await buildMisbehaviourProof(file, { u, s, size, contentRoot, page });
 */
export async function buildMisbehaviourProof(
  file: SealedFile,
  { u, s, size, contentRoot, page }: BuildMisbehaviourProofParameters,
): Promise<MisbehaviourProof> {
  const geometry = geometryOf(size);
  const { encryptedSize } = geometry;
  const parent = parentOf(geometry, page);
  const leaves = blindLeaves(u);
  const segment = await file.readSegment(segmentOf(page));
  const start = (page % SEGMENT_PAGES) * PAGE_BYTES;
  return {
    key: s,
    blindRoot: merkleRoot(leaves),
    contentRoot,
    page,
    pageBytes: segment.slice(start, start + PAGE_BYTES),
    // The 16 chunks of a page always form a full subtree, whose path is a chunk's path without the lowest steps.
    pagePath: chunkPath(file, encryptedSize, segment, page * PAGE_CHUNKS).slice(PAGE_HEIGHT),
    ...openBlind(u, leaves, page),
    ...(await openEntry(file, encryptedSize, parent)),
    ...openEntryBlind(u, leaves, page, parent),
  };
}

async function openEntry(file: SealedFile, encryptedSize: number, parent: ParentEntry | null) {
  if (parent === null) return { entryChunk: new Uint8Array(0), entryPath: [] };
  const index = parent.page * PAGE_CHUNKS + Math.floor((parent.entry * DIGEST_BYTES) / CHUNK_BYTES);
  const { chunk, path } = await buildChunkProof(file, { encryptedSize, index });
  return { entryChunk: chunk, entryPath: path };
}

function openEntryBlind(
  u: Uint8Array,
  leaves: Uint8Array,
  page: number,
  parent: ParentEntry | null,
) {
  if (parent === null || blindOf(parent.page) === blindOf(page)) {
    return { entryBlind: new Uint8Array(32), entryBlindPath: [] };
  }
  const { blind, blindPath } = openBlind(u, leaves, parent.page);
  return { entryBlind: blind, entryBlindPath: blindPath };
}

/** u_j for the segment of a page, with its path to blindRoot. */
function openBlind(u: Uint8Array, leaves: Uint8Array, page: number) {
  const j = blindOf(page);
  return { blind: blindAt(u, j), blindPath: blindProof(leaves, j) };
}

/** Index of the blind for the segment of a page. */
function blindOf(page: number): number {
  return segmentOf(page) % BLINDS;
}
