import { ProtocolError } from "../../errors.ts";
import type { Root } from "../../ids.ts";
import { sleep } from "../../platform/index.ts";
import { type Content, openContent } from "../files/content.ts";
import { rootOfContent } from "../files/rootOfContent.ts";
import { submissionNodes } from "../transfer/submissionNodes.ts";
import type { Payer, Uploaded, UploadOptions } from "../transfer/TransferOptions.ts";
import type { SegmentList } from "../tree/RootHasher.ts";
import { SEGMENT_BYTES, segmentCount, segmentLength } from "../tree/segment.ts";
import { flowAddress, type ZeroGEndpoint } from "./endpoint.ts";
import { announce, pricePerSector } from "./flow.ts";
import {
  DEFAULT_TIMING,
  findCover,
  type Holder,
  infoOf,
  Network,
  type ShardNode,
  type Timing,
} from "./Network.ts";
import { SegmentSender } from "./SegmentSender.ts";
import { NodeError } from "./ZeroGNode.ts";

/**
 * Uploads a file to 0G's network: announces and pays for it, unless that was already done, and sends every segment to a
 * node that stores it. A node that fails is replaced by others.
 * @returns the root, the size and the bytes that nodes accepted in this call.
 * @throws ProtocolError "usage" for a bad path or without a payer if the file has to be paid for, "network" otherwise;
 * the signal's reason if aborted.
 */
export async function uploadToZeroG(
  endpoint: ZeroGEndpoint,
  filePath: string,
  options: UploadOptions = {},
  timing: Timing = DEFAULT_TIMING,
): Promise<Uploaded> {
  const content = await openContent(filePath);
  try {
    return await uploadContentToZeroG(endpoint, content, options, timing);
  } finally {
    await content.close();
  }
}

/** Uploads any content like uploadToZeroG; the caller closes it. */
export async function uploadContentToZeroG(
  endpoint: ZeroGEndpoint,
  content: Content,
  { signal, onHashed, onProgress, payer }: UploadOptions = {},
  timing: Timing = DEFAULT_TIMING,
): Promise<Uploaded> {
  const list = await rootOfContent(content, signal, onHashed);
  const { root, size } = list;
  const network = new Network(endpoint, timing);
  try {
    const nodes = await network.nodes(signal);
    const known = await network.knowing(root, nodes, signal);
    if (findCover(known.filter(({ info }) => info.finalized))) {
      onProgress?.({ bytes: size, total: size });
      return { root, size, sent: 0 };
    }
    if (!known.some(({ info }) => info.tx.size === size))
      await pay(endpoint, content, list, await payer?.());
    const progress = trackBytes(size, onProgress);
    const sender = new SegmentSender(content, list, progress.onSent);
    await spread(sender, list, nodes, timing, signal);
    return { root, size, sent: progress.bytes };
  } finally {
    await network.close();
  }
}

/** Counts every segment once, however many nodes accept it. */
function trackBytes(size: number, onProgress: UploadOptions["onProgress"]) {
  const sent = new Set<number>();
  const progress = {
    bytes: 0,
    onSent: (index: number) => {
      if (sent.has(index)) return;
      sent.add(index);
      progress.bytes += segmentLength(index, size);
      onProgress?.({ bytes: progress.bytes, total: size });
    },
  };
  onProgress?.({ bytes: 0, total: size });
  return progress;
}

/** Announces the file to the Flow contract. */
async function pay(
  endpoint: ZeroGEndpoint,
  content: Content,
  list: SegmentList,
  payer: Payer | undefined,
): Promise<void> {
  if (!payer) throw noPayerError();
  const flow = flowAddress(endpoint, payer.chainId);
  const last = segmentCount(list.size) - 1;
  const lastSegment = await content.read(last, Buffer.alloc(SEGMENT_BYTES));
  const price = await pricePerSector(payer.provider, flow);
  const nodes = submissionNodes(list, lastSegment);
  const { size } = list;
  await payer.submit(announce(flow, { size, nodes, submitter: payer.address, price }));
}

/** Sends the file to nodes that together store all of it, and replaces nodes that fail. */
async function spread(
  sender: SegmentSender,
  list: SegmentList,
  nodes: readonly ShardNode[],
  timing: Timing,
  signal?: AbortSignal,
): Promise<void> {
  const done = new Set<ShardNode>();
  let cause: unknown;
  for (let left = nodes; ; ) {
    const cover = findCover(left);
    if (!cover) throw tooFewNodesError(list.root, cause);
    const failed = new Set<ShardNode>();
    for (const node of cover.filter((one) => !done.has(one))) {
      try {
        await serve(sender, list, node, timing, signal);
        done.add(node);
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof NodeError)) throw error;
        failed.add(node);
        cause = error;
      }
    }
    if (failed.size === 0) return;
    left = left.filter((node) => !failed.has(node));
  }
}

/** Sends a node all segments in its shard, and waits until it reports that it has them. */
async function serve(
  sender: SegmentSender,
  { root, size }: SegmentList,
  { node, shard }: ShardNode,
  timing: Timing,
  signal?: AbortSignal,
): Promise<void> {
  const poll = async (isEnough: (holder: Holder) => boolean): Promise<Holder> => {
    const end = performance.now() + timing.timeout;
    for (;;) {
      const info = await infoOf(node, root, signal);
      if (info?.tx.size === size && isEnough({ node, shard, info })) return { node, shard, info };
      if (performance.now() > end) throw new NodeError(node.url, null);
      await sleep(timing.poll, signal);
    }
  };
  const holder = await poll(() => true);
  if (holder.info.finalized) return;
  await sender.sendTo(holder, signal);
  await poll(({ info }) => info.finalized);
}

function noPayerError(): ProtocolError {
  return new ProtocolError(
    "usage",
    "0G's network accepts a file only with a transaction that pays for it.",
    "Use the key of a wallet that holds OG.",
    { next: { setting: "privateKey" } },
  );
}

function tooFewNodesError(root: Root, cause: unknown): ProtocolError {
  return new ProtocolError(
    "network",
    `The remaining nodes of 0G's network do not store all of ${root}${cause instanceof Error ? ` (${cause.message})` : ""}.`,
    "Try again: the file is not paid for twice.",
    { cause },
  );
}
