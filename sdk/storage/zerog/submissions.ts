import { Interface, type Provider } from "ethers";
import type { Root } from "../../ids.ts";
import { searchLogs } from "../../transaction/searchLogs.ts";
import type { SubmissionNode } from "../transfer/submissionNodes.ts";
import { keccak256 } from "../tree/keccak.ts";

/** An announcement of a file to 0G's Flow contract. */
export interface Submission {
  /** Number of the announcement, from 0. */
  readonly seq: number;
  /** Root of its nodes. */
  readonly root: Root;
  /** Bytes. */
  readonly size: number;
  /** Position in the log, in chunks of 256 bytes. */
  readonly startEntryIndex: number;
  readonly nodes: readonly SubmissionNode[];
}

const FLOW = new Interface([
  `event Submit(address indexed sender, bytes32 indexed identity, uint256 submissionIndex, uint256 startPos,
    uint256 length, tuple(uint256 length, bytes tags, tuple(bytes32 root, uint256 height)[] nodes) submission)`,
]);

/** Reads the announcements to the Flow contract in these blocks, oldest first. Malformed ones are left out. */
export async function fetchSubmissions(
  provider: Provider,
  flowAddress: string,
  { fromBlock, toBlock }: { fromBlock: number; toBlock: number },
): Promise<Submission[]> {
  const topics = [FLOW.getEvent("Submit")!.topicHash];
  const logs = await searchLogs(provider, { address: flowAddress, topics, fromBlock, toBlock });
  return logs.flatMap((log) => {
    const { submissionIndex, startPos, submission } = FLOW.parseLog(log)!.args;
    const [size, , tree]: [bigint, string, [root: string, height: bigint][]] = submission;
    if (size < 1n || size > Number.MAX_SAFE_INTEGER || tree.length === 0) return [];
    const nodes = tree.map(([root, height]) => ({ root, height: Number(height) }));
    return [
      {
        seq: Number(submissionIndex),
        root: foldNodes(nodes),
        size: Number(size),
        startEntryIndex: Number(startPos),
        nodes,
      },
    ];
  });
}

/** The root of a file that consists of these subtrees, folded from the smallest. */
function foldNodes(nodes: readonly SubmissionNode[]): Root {
  const roots = nodes.map(({ root }) => Buffer.from(root.slice(2), "hex"));
  const folded = roots.reduceRight((right, left) =>
    Buffer.from(keccak256(Buffer.concat([left, right]))),
  );
  return `0x${folded.toString("hex")}` as Root;
}
