import { z } from "zod";
import type { Content } from "../files/content.ts";
import { inParallel } from "../files/inParallel.ts";
import type { SegmentList } from "../tree/RootHasher.ts";
import { SegmentTree } from "../tree/SegmentTree.ts";
import { CHUNK_BYTES, SEGMENT_BYTES, segmentCount } from "../tree/segment.ts";
import { type Holder, keeps } from "./Network.ts";
import { NodeError } from "./ZeroGNode.ts";

/** Segments in one call. */
const BATCH = 4;

/** A node's error if it already has a segment or the whole file. */
const DUPLICATE = /already uploaded and finalized|already been uploaded or is being uploaded/;

/** Sends the segments of one content with their proofs. */
export class SegmentSender {
  readonly #content: Content;
  readonly #tree: SegmentTree;
  /** Called for every segment that a node has accepted. */
  readonly #onSent: (index: number) => void;

  constructor(content: Content, list: SegmentList, onSent: (index: number) => void) {
    this.#content = content;
    this.#tree = new SegmentTree(list);
    this.#onSent = onSent;
  }

  /** Sends a node all segments of the file in its shard. @throws NodeError */
  async sendTo(holder: Holder, signal?: AbortSignal): Promise<void> {
    const { shard, info } = holder;
    const wanted: number[] = [];
    for (let index = 0; index < segmentCount(this.#tree.list.size); index++) {
      if (keeps(shard, info.tx.startEntryIndex, index)) wanted.push(index);
    }
    const batches = Array.from({ length: Math.ceil(wanted.length / BATCH) }, (_, batch) =>
      wanted.slice(batch * BATCH, (batch + 1) * BATCH),
    );
    await inParallel(batches, (batch, stop) => this.#sendBatch(holder, batch, stop), signal);
  }

  async #sendBatch(holder: Holder, batch: readonly number[], signal: AbortSignal): Promise<void> {
    try {
      const segments = await Promise.all(batch.map((index) => this.#read(index)));
      const params = [segments, holder.info.tx.seq];
      await holder.node.call("zgs_uploadSegmentsByTxSeq", params, z.unknown(), { signal });
      for (const index of batch) this.#onSent(index);
    } catch (error) {
      if (!(error instanceof NodeError && DUPLICATE.test(error.reason ?? ""))) throw error;
      // Some nodes stop at the first segment they already have and ignore the others.
      if (batch.length > 1)
        for (const index of batch) await this.#sendBatch(holder, [index], signal);
    }
  }

  async #read(index: number) {
    const { root, size } = this.#tree.list;
    const buffer = Buffer.alloc(SEGMENT_BYTES);
    const { length } = await this.#content.read(index, buffer);
    const data = buffer.subarray(0, Math.ceil(length / CHUNK_BYTES) * CHUNK_BYTES);
    const proof = this.#tree.prove(index);
    return { root, data: data.toString("base64"), index, proof, fileSize: size };
  }
}
