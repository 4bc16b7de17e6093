import { z } from "zod";
import { ProtocolError } from "../../errors.ts";
import type { Root } from "../../ids.ts";
import { openDispatcher } from "../../rpc/dispatcher.ts";
import { TRANSFERS_AT_ONCE } from "../files/inParallel.ts";
import { SEGMENT_CHUNKS } from "../tree/segment.ts";
import type { ZeroGEndpoint } from "./endpoint.ts";
import { FileInfo, type NodeError, type Shard, ZeroGNode } from "./ZeroGNode.ts";

/** Timeouts and intervals for 0G's network, in milliseconds. */
export interface Timing {
  /** Timeout of one call. */
  readonly call: number;
  /** Interval between two polls. */
  readonly poll: number;
  /** Timeout for nodes to see a transaction or to finalize a file. */
  readonly timeout: number;
}

export const DEFAULT_TIMING: Timing = { call: 30_000, poll: 1_000, timeout: 300_000 };

/** A storage node and its shard. */
export interface ShardNode {
  readonly node: ZeroGNode;
  readonly shard: Shard;
}

/** A node that knows the file. */
export interface Holder extends ShardNode {
  readonly info: FileInfo;
}

const ShardConfig = z
  .object({
    shardId: z.int().min(0),
    numShard: z
      .int()
      .min(1)
      .max(2 ** 30),
  })
  .refine(({ shardId, numShard }) => isPowerOfTwo(numShard) && shardId < numShard);
const ListedNodes = z
  .array(
    z
      .object({ url: z.url({ protocol: /^https?$/ }), config: ShardConfig })
      .nullable()
      .catch(null),
  )
  .nullish();
const ShardedNodes = z.object({ trusted: ListedNodes, discovered: ListedNodes });

/** 0G's storage nodes as an indexer lists them. */
export class Network {
  readonly timing: Timing;
  readonly #agent = openDispatcher({
    connections: TRANSFERS_AT_ONCE,
    connect: { timeout: 10_000 },
  });
  readonly #indexer: ZeroGNode;

  constructor({ indexerUrl }: ZeroGEndpoint, timing: Timing) {
    this.timing = timing;
    this.#indexer = this.#open(indexerUrl);
  }

  /** All nodes, trusted ones first. @throws ProtocolError "network" if the indexer lists none. */
  async nodes(signal?: AbortSignal): Promise<ShardNode[]> {
    const { trusted, discovered } = await this.#ask(
      "indexer_getShardedNodes",
      [],
      ShardedNodes,
      signal,
    );
    const nodes = this.#nodesOf([...(trusted ?? []), ...(discovered ?? [])]);
    if (nodes.length > 0) return nodes;
    throw new ProtocolError(
      "network",
      `The indexer at ${this.#indexer.url} lists no storage node.`,
      "Try again later, or use another indexer.",
    );
  }

  /** The nodes that report to have their whole shard of the file; those that the indexer names for it come first. */
  async holders(root: Root, signal?: AbortSignal): Promise<Holder[]> {
    // An indexer that does not know the file returns an error, which need not be correct.
    const named = await this.#indexer
      .call("indexer_getFileLocations", [root], ListedNodes, { signal })
      .catch(() => null);
    signal?.throwIfAborted();
    const known = await this.knowing(
      root,
      [...this.#nodesOf(named ?? []), ...(await this.nodes(signal))],
      signal,
    );
    return known.filter(({ info }) => info.finalized);
  }

  /** The nodes that know the file, whether they have it or not. */
  async knowing(root: Root, nodes: readonly ShardNode[], signal?: AbortSignal): Promise<Holder[]> {
    const different = new Map(nodes.toReversed().map((node) => [node.node.url, node])).values();
    const asked = [...different].toReversed().map(async ({ node, shard }) => {
      const info = await infoOf(node, root, signal).catch(() => null);
      return info ? [{ node, shard, info }] : [];
    });
    const found = (await Promise.all(asked)).flat();
    signal?.throwIfAborted();
    return found;
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #ask<T>(method: string, params: unknown[], schema: z.ZodType<T>, signal?: AbortSignal) {
    try {
      return await this.#indexer.call(method, params, schema, { signal });
    } catch (cause) {
      signal?.throwIfAborted();
      throw new ProtocolError(
        "network",
        `The 0G indexer at ${(cause as NodeError).message}.`,
        "Check its URL and your connection, then try again.",
        { cause },
      );
    }
  }

  #nodesOf(listed: readonly ({ url: string; config: Shard } | null)[]): ShardNode[] {
    return listed.flatMap((entry) =>
      entry ? [{ node: this.#open(entry.url), shard: entry.config }] : [],
    );
  }

  #open(url: string): ZeroGNode {
    return new ZeroGNode(url, this.#agent, this.timing.call);
  }
}

/** A node's info about a file, null if it does not know the file. */
export async function infoOf(
  node: ZeroGNode,
  root: Root,
  signal?: AbortSignal,
): Promise<FileInfo | null> {
  return node.call("zgs_getFileInfo", [root, true], FileInfo.nullable(), { signal });
}

/** Whether a node stores segment `index` of a file that starts at this position of the log. */
export function keeps({ shardId, numShard }: Shard, startEntryIndex: number, index: number) {
  return (Math.floor(startEntryIndex / SEGMENT_CHUNKS) + index) % numShard === shardId;
}

/**
 * The first nodes that together store every segment once; undefined if they do not suffice. A shard is stored whole or
 * as its two halves.
 */
export function findCover<T extends ShardNode>(
  nodes: readonly T[],
  part: Shard = { shardId: 0, numShard: 1 },
): T[] | undefined {
  const { shardId, numShard } = part;
  const whole = nodes.find(({ shard }) => shard.numShard === numShard && shard.shardId === shardId);
  if (whole) return [whole];
  const finer = nodes.filter(({ shard }) => shard.numShard > numShard);
  if (finer.length === 0) return undefined;
  const halves = [shardId, shardId + numShard].map((half) =>
    findCover(finer, { shardId: half, numShard: 2 * numShard }),
  );
  return halves.every((half) => half !== undefined) ? halves.flat() : undefined;
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}
