import { type FileHandle, open, readFile, rm, writeFile } from "node:fs/promises";
import { ProtocolError } from "../../errors.ts";
import type { Root } from "../../ids.ts";
import { PartialFile, type SegmentRange } from "../files/PartialFile.ts";
import { writeFully } from "../files/writeFully.ts";
import { NODE_BYTES } from "../tree/merkle.ts";
import { proveSegment, unprovenList } from "../tree/provenList.ts";
import { rootFromSegments } from "../tree/RootHasher.ts";
import type { SegmentProof } from "../tree/SegmentTree.ts";
import { segmentCount } from "../tree/segment.ts";

/**
 * A partial file whose segment list becomes known with the proofs of its segments. The proven roots are in
 * `<path>.roots`, so that a later process can resume; the complete list is verified against the root at the end.
 */
export class ProvenFile {
  readonly #partial: PartialFile;
  /** Open during writes. */
  #roots: FileHandle | null = null;

  private constructor(partial: PartialFile) {
    this.#partial = partial;
  }

  static async open(path: string, root: Root, size: number): Promise<ProvenFile> {
    const list = unprovenList(root, size);
    const proven = segmentCount(size) * NODE_BYTES;
    const left = await readFile(rootsPath(path)).catch(() => Buffer.alloc(0));
    if (left.length === proven) list.segmentRoots.set(left);
    else await writeFile(rootsPath(path), list.segmentRoots.subarray(0, proven));
    return new ProvenFile(await PartialFile.open(path, list));
  }

  /** Number of bytes present. */
  get bytes(): number {
    return this.#partial.bytes;
  }

  missing(): SegmentRange[] {
    return this.#partial.missing();
  }

  /** Keeps the files open while `work` runs; writes are allowed only there. */
  async whileOpen(work: () => Promise<void>): Promise<void> {
    const roots = await open(rootsPath(this.#partial.path), "r+");
    this.#roots = roots;
    try {
      await this.#partial.whileOpen(work);
    } finally {
      this.#roots = null;
      await roots.close();
    }
  }

  /** @returns false, with nothing written, if the proof does not lead from these bytes to the root. */
  async write(index: number, bytes: Uint8Array, proof: SegmentProof): Promise<boolean> {
    const { list } = this.#partial;
    if (!proveSegment(list, index, bytes, proof)) return false;
    const start = index * NODE_BYTES;
    const own = list.segmentRoots.subarray(start, start + NODE_BYTES);
    await writeFully(this.#roots!, own, start);
    await this.#partial.writeProven(index, bytes);
    return true;
  }

  /**
   * Gives the complete file its final name.
   * @throws ProtocolError "integrity" if it is not the content, because the declared size was wrong. The file is then
   * deleted.
   */
  async publish(target: string): Promise<void> {
    const { list, path } = this.#partial;
    if (rootFromSegments(list.segmentRoots, list.size) !== list.root) {
      await this.discard();
      throw new ProtocolError(
        "integrity",
        `What the nodes sent as ${list.root} does not match the root hash.`,
        "The wrong bytes were discarded: try again.",
      );
    }
    await this.#partial.publish(target);
    await rm(rootsPath(path), { force: true });
  }

  async discard(): Promise<void> {
    await PartialFile.discard(this.#partial.path);
    await rm(rootsPath(this.#partial.path), { force: true });
  }
}

const rootsPath = (path: string) => `${path}.roots`;
