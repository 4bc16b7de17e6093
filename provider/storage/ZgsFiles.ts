import { open, readFile } from "node:fs/promises";
import type { Root } from "../../sdk/ids.ts";
import { readFully } from "../../sdk/storage/files/readFully.ts";
import { type SegmentProof, SegmentTree } from "../../sdk/storage/tree/SegmentTree.ts";
import {
  CHUNK_BYTES,
  SEGMENT_CHUNKS,
  segmentCount,
  segmentLength,
} from "../../sdk/storage/tree/segment.ts";
import type { Submission } from "../../sdk/storage/zerog/submissions.ts";
import type { BlobStore } from "./BlobStore.ts";
import type { SubmissionLog } from "./SubmissionLog.ts";
import { ZgsError } from "./ZgsError.ts";

/** First sequence number of unannounced files: far above those of any log, and exact in a JavaScript number. */
const UNANNOUNCED = 2 ** 52;

/** A segment in 0G's format: whole chunks in base64. */
export interface ProvenSegment {
  readonly root: Root;
  readonly data: string;
  readonly index: number;
  readonly proof: SegmentProof;
  readonly fileSize: number;
}

/** The node's blobs as 0G's clients see them: numbered files, divided into chunks and segments. */
export class ZgsFiles {
  readonly #store: BlobStore;
  readonly #submissions: SubmissionLog | null;
  /** Unannounced files. They are added, and so numbered, when they are first requested. */
  readonly #unannounced: Root[] = [];
  readonly #places = new Map<Root, number>();
  /** The tree of the last file requested with proofs: a download requests one segment after the other. */
  #tree: SegmentTree | null = null;

  constructor(store: BlobStore, submissions: SubmissionLog | null) {
    this.#store = store;
    this.#submissions = submissions;
  }

  isComplete({ root, size }: Pick<Submission, "root" | "size">): boolean {
    return this.#store.size(root) === size;
  }

  /** @param wanted the requested size, if several are announced */
  byRoot(root: Root, wanted?: number): Submission | undefined {
    const size = this.#store.size(root);
    const announced = this.#submissions?.byRoot(root, wanted ?? size);
    if (announced || size === undefined) return announced;
    const place = this.#places.get(root) ?? this.#unannounced.push(root) - 1;
    this.#places.set(root, place);
    return this.#unannouncedFile(place);
  }

  bySeq(seq: number): Submission | undefined {
    return seq < UNANNOUNCED
      ? this.#submissions?.bySeq(seq)
      : this.#unannouncedFile(seq - UNANNOUNCED);
  }

  /** Chunks `start` to `end` (exclusive), the last one of the file padded with zeros; null if it is not complete. */
  async readChunks(file: Submission, start: number, end: number): Promise<string | null> {
    if (start >= end) throw ZgsError.invalidParams("end_index", "invalid chunk index");
    if (end - start > SEGMENT_CHUNKS) {
      throw ZgsError.invalidParams("end_index", `exceeds maximum chunks ${SEGMENT_CHUNKS}`);
    }
    if (!this.isComplete(file)) return null;
    if (end > Math.ceil(file.size / CHUNK_BYTES)) {
      throw ZgsError.invalidParams("end_index", "index out of bound");
    }
    const bytes = Buffer.alloc((end - start) * CHUNK_BYTES);
    const length = Math.min(bytes.length, file.size - start * CHUNK_BYTES);
    await this.#read(file.root, start * CHUNK_BYTES, bytes.subarray(0, length));
    return bytes.toString("base64");
  }

  /** Segment `index` with its proof; null if the file is not complete. */
  async readSegment(file: Submission, index: number): Promise<ProvenSegment | null> {
    if (!this.isComplete(file)) return null;
    if (index >= segmentCount(file.size)) {
      throw ZgsError.invalidParams("index", "index out of bound");
    }
    const { root, size } = file;
    const start = index * SEGMENT_CHUNKS;
    const chunks = Math.ceil(segmentLength(index, size) / CHUNK_BYTES);
    const [data, tree] = await Promise.all([
      this.readChunks(file, start, start + chunks),
      this.#treeOf(file),
    ]);
    return { root, data: data!, index, proof: tree.prove(index), fileSize: size };
  }

  #unannouncedFile(place: number): Submission | undefined {
    const root = this.#unannounced[place];
    const size = root && this.#store.size(root);
    if (!size) return undefined;
    return { seq: UNANNOUNCED + place, root, size, startEntryIndex: 0, nodes: [] };
  }

  async #treeOf({ root, size }: Submission): Promise<SegmentTree> {
    if (this.#tree?.list.root !== root) {
      const segmentRoots = await readFile(this.#store.segmentListPath(root));
      this.#tree = new SegmentTree({ root, segmentRoots, size });
    }
    return this.#tree;
  }

  async #read(root: Root, position: number, target: Uint8Array): Promise<void> {
    const path = this.#store.blobPath(root);
    const handle = await open(path, "r");
    try {
      await readFully(handle, target, position, path);
    } finally {
      await handle.close();
    }
  }
}

/** Removes the padding from a segment that a client sent as whole chunks. */
export function unpad(data: Buffer, index: number, size: number): Buffer {
  const length = segmentLength(index, size);
  const padded = Math.ceil(length / CHUNK_BYTES) * CHUNK_BYTES;
  if (length === 0) throw ZgsError.invalidParams("index", "index out of bound");
  if (data.length !== padded || data.subarray(length).some((byte) => byte !== 0)) {
    throw ZgsError.invalidParams("data", "invalid data length");
  }
  return data.subarray(0, length);
}
