import { dirname } from "node:path";
import { z } from "zod";
import { ProtocolError } from "../../errors.ts";
import type { Root } from "../../ids.ts";
import { sleep } from "../../platform/index.ts";
import { ensureDiskSpace } from "../files/ensureDiskSpace.ts";
import { inParallel } from "../files/inParallel.ts";
import { partPathOf } from "../files/publishFile.ts";
import { SMALL_ANSWER_BYTES } from "../transfer/StorageConnection.ts";
import type { TransferOptions } from "../transfer/TransferOptions.ts";
import { CHUNK_BYTES, SEGMENT_BYTES, segmentLength } from "../tree/segment.ts";
import type { ZeroGEndpoint } from "./endpoint.ts";
import { DEFAULT_TIMING, type Holder, keeps, Network, type Timing } from "./Network.ts";
import { ProvenFile } from "./ProvenFile.ts";

/** Milliseconds before a segment is requested from all nodes again. */
const ROUND_WAITS = [200, 1000];
const ANSWER_BYTES = Math.ceil(SEGMENT_BYTES / 3) * 4 + SMALL_ANSWER_BYTES;

const Hash = z.string().regex(/^0x[0-9a-f]{64}$/i);
const Segment = z
  .object({
    data: z.string(),
    proof: z.object({ lemma: z.array(Hash).max(66), path: z.array(z.boolean()).max(64) }),
  })
  .nullable();

/**
 * Downloads the content with this root from 0G's network. Every segment comes with a proof and is verified before it is
 * written; a node that sends a wrong segment is no longer used.
 * @returns the size. The root determines it only up to trailing zeros: compare it if it matters.
 * @throws ProtocolError "not-found" for a root that no node has, "integrity" if only wrong bytes arrive, "network"
 * otherwise; the signal's reason if aborted.
 */
export async function downloadFromZeroG(
  endpoint: ZeroGEndpoint,
  root: Root,
  targetPath: string,
  { signal, onProgress }: TransferOptions = {},
  timing: Timing = DEFAULT_TIMING,
): Promise<{ size: number }> {
  const network = new Network(endpoint, timing);
  try {
    const holders = await network.holders(root, signal);
    if (holders.length === 0) throw unknownRootError(root);
    let failure: unknown;
    // A node may report a wrong size. The size that most nodes report is tried first.
    for (const group of bySize(holders)) {
      try {
        const source = new Source(root, group);
        await source.fetchTo(targetPath, { signal, onProgress });
        return { size: source.size };
      } catch (error) {
        signal?.throwIfAborted();
        failure ??= error;
      }
    }
    throw failure;
  } finally {
    await network.close();
  }
}

/**
 * Nodes that agree on a file's size. One that sends wrong bytes is dropped; one that fails is tried after the others.
 */
class Source {
  readonly size: number;
  readonly #root: Root;
  readonly #holders: Set<Holder>;
  /** Failed calls in a row, by node. */
  readonly #failures = new Map<Holder, number>();
  #wasLiedTo = false;

  constructor(root: Root, holders: readonly Holder[]) {
    this.#root = root;
    this.#holders = new Set(holders);
    this.size = holders[0]!.info.tx.size;
  }

  async fetchTo(targetPath: string, { signal, onProgress }: TransferOptions): Promise<void> {
    const part = partPathOf(targetPath);
    await ensureDiskSpace(dirname(part), this.size, [part]);
    const file = await ProvenFile.open(part, this.#root, this.size);
    const progress = { bytes: file.bytes, total: this.size };
    onProgress?.({ ...progress });
    const fetchOne = async (index: number, stop: AbortSignal) => {
      await this.#fetchSegment(file, index, stop);
      progress.bytes += segmentLength(index, this.size);
      onProgress?.({ ...progress });
    };
    await file.whileOpen(() => inParallel(indices(file.missing()), fetchOne, signal));
    await file.publish(targetPath);
  }

  async #fetchSegment(file: ProvenFile, index: number, signal: AbortSignal): Promise<void> {
    for (let round = 0; ; round++) {
      for (const holder of this.#keepersOf(index)) {
        if (await this.#fetchFrom(holder, file, index, signal)) return;
      }
      const delay = ROUND_WAITS[round];
      if (delay === undefined || this.#keepersOf(index).length === 0) throw this.#lost(index);
      await sleep(delay, signal);
    }
  }

  /** The nodes that store the segment, rotated by segment; nodes that failed recently come last. */
  #keepersOf(index: number): Holder[] {
    const keepers = [...this.#holders].filter(({ shard, info }) =>
      keeps(shard, info.tx.startEntryIndex, index),
    );
    const first = index % Math.max(1, keepers.length);
    const rotated = [...keepers.slice(first), ...keepers.slice(0, first)];
    return rotated.sort((a, b) => this.#failuresOf(a) - this.#failuresOf(b));
  }

  #failuresOf(holder: Holder): number {
    return this.#failures.get(holder) ?? 0;
  }

  async #fetchFrom(
    holder: Holder,
    file: ProvenFile,
    index: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { node, info } = holder;
    try {
      const params = [info.tx.seq, index];
      const segment = await node.callOnce("zgs_downloadSegmentWithProofByTxSeq", params, Segment, {
        signal,
        maxBytes: ANSWER_BYTES,
      });
      if (segment === null) return this.#failed(holder);
      const bytes = unpad(Buffer.from(segment.data, "base64"), index, this.size);
      if (await file.write(index, bytes, segment.proof)) {
        this.#failures.delete(holder);
        return true;
      }
    } catch (error) {
      signal.throwIfAborted();
      if ((error as Error).name !== "NodeError") throw error; // an error of the local disk
      return this.#failed(holder);
    }
    this.#wasLiedTo = true;
    this.#holders.delete(holder);
    return false;
  }

  #failed(holder: Holder): false {
    this.#failures.set(holder, this.#failuresOf(holder) + 1);
    return false;
  }

  #lost(index: number): ProtocolError {
    const what = `segment ${index} of ${this.#root}`;
    return this.#wasLiedTo
      ? new ProtocolError(
          "integrity",
          `The remaining nodes sent wrong bytes for ${what}.`,
          "The wrong bytes were discarded: try again later, or with another indexer.",
        )
      : new ProtocolError(
          "network",
          `No node of 0G's network sent ${what}.`,
          "Try again, which resumes the transfer.",
        );
  }
}

/** The nodes in groups that agree on the size, the largest group first. */
function bySize(holders: readonly Holder[]): Holder[][] {
  const groups = Map.groupBy(holders, ({ info }) => info.tx.size);
  return [...groups.values()].sort((a, b) => b.length - a.length);
}

/** Removes the zeros that fill the last chunk. Data that is too short is unchanged, and fails its proof. */
function unpad(data: Buffer, index: number, size: number): Buffer {
  const length = segmentLength(index, size);
  const padded = Math.ceil(length / CHUNK_BYTES) * CHUNK_BYTES;
  return data.length === padded ? data.subarray(0, length) : data.subarray(0, 0);
}

function* indices(ranges: readonly (readonly [number, number])[]): Generator<number> {
  for (const [first, end] of ranges) {
    for (let index = first; index < end; index++) yield index;
  }
}

function unknownRootError(root: Root): ProtocolError {
  return new ProtocolError(
    "not-found",
    `No node of 0G's network has ${root}.`,
    "Check the root hash, and that the upload is complete.",
  );
}
