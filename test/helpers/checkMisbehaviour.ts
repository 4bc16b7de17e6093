import { createCipheriv, createHash } from "node:crypto";
import { concat, getBytes, hexlify, keccak256, toBeHex } from "ethers";
import { geometryOf, parentOf } from "../../sdk/exchange/geometry.ts";
import type { MisbehaviourProof } from "../../sdk/exchange/misbehaviourProof.ts";
import type { Root, TaskId } from "../../sdk/ids.ts";
import { paddedChunkCount } from "../../sdk/storage/tree/segment.ts";

/** On-chain data of a revealed task. */
export interface Commitment {
  readonly id: TaskId;
  readonly size: number;
  readonly root: Root;
  readonly exchange: string;
}

/** The contract's expected answer: the page differs from its entry, equals it, or the proof is invalid. */
export type Verdict = "mismatch" | "match" | "invalid";

class InvalidProof extends Error {}

/** An independent implementation of the dispute rule, which the contract must agree with. */
export function checkMisbehaviour(task: Commitment, proof: MisbehaviourProof): Verdict {
  try {
    return check(task, proof);
  } catch (error) {
    if (error instanceof InvalidProof) return "invalid";
    throw error;
  }
}

function check({ id, size, root, exchange }: Commitment, proof: MisbehaviourProof): Verdict {
  const geometry = geometryOf(size);
  const chunks = paddedChunkCount(geometry.encryptedSize);
  const { page, pageBytes, entryChunk } = proof;
  const commitments = [proof.blindRoot, proof.contentRoot, keccak256(proof.key)];
  demand(keccak256(concat(commitments)) === exchange);
  demand(page < geometry.totalPages && pageBytes.length === 4096);

  demand(fold(subtreeRoot(pageBytes), page, chunks / 16, proof.pagePath) === root);
  const segment = Math.floor(page / 64);
  const j = segment % 4096;
  demand(fold(leafOf(proof.blind), j, 4096, proof.blindPath) === hexlify(proof.blindRoot));
  const key = (r: number, blind: Uint8Array) =>
    getBytes(keccak256(concat([Buffer.from("FX1"), id, toBeHex(r, 4), blind, proof.key])));
  const clear = cipher(key(segment, proof.blind), segment, (page % 64) * 64, pageBytes);
  const digest = createHash("sha256").update(clear).digest("hex");

  const parent = parentOf(geometry, page);
  if (parent === null) {
    demand(entryChunk.length === 0 && proof.entryPath.length === 0);
    demand(isZero(proof.entryBlind) && proof.entryBlindPath.length === 0);
    return `0x${digest}` === proof.contentRoot ? "match" : "mismatch";
  }
  const chunk = parent.page * 16 + Math.floor(parent.entry / 8);
  demand(entryChunk.length === 256);
  demand(fold(leafOf(entryChunk), chunk, chunks, proof.entryPath) === root);
  const above = Math.floor(parent.page / 64);
  let blind = proof.blind;
  if (above % 4096 === j) {
    demand(isZero(proof.entryBlind) && proof.entryBlindPath.length === 0);
  } else {
    blind = proof.entryBlind;
    const computed = fold(leafOf(blind), above % 4096, 4096, proof.entryBlindPath);
    demand(computed === hexlify(proof.blindRoot));
  }
  const counter = (parent.page % 64) * 64 + Math.floor(parent.entry / 8) * 4;
  const entries = cipher(key(above, blind), above, counter, entryChunk);
  const start = (parent.entry % 8) * 32;
  return entries.subarray(start, start + 32).toString("hex") === digest ? "match" : "mismatch";
}

function demand(condition: boolean): asserts condition {
  if (!condition) throw new InvalidProof();
}

const isZero = (bytes: Uint8Array) => bytes.every((byte) => byte === 0);

const leafOf = (bytes: Uint8Array) => keccak256(bytes);

/** The node of the storage tree above a page. */
export function subtreeRoot(page: Uint8Array): string {
  let nodes = Array.from({ length: 16 }, (_, i) => leafOf(page.subarray(i * 256, (i + 1) * 256)));
  while (nodes.length > 1) {
    nodes = nodes.flatMap((node, i) => (i % 2 ? [] : [keccak256(concat([node, nodes[i + 1]!]))]));
  }
  return nodes[0]!;
}

/** Folds node `index` of a row of `count` nodes to the root; an odd last node moves up unchanged. */
export function fold(
  node: string,
  index: number,
  count: number,
  path: readonly Uint8Array[],
): string {
  const siblings = [...path];
  for (; count > 1; index = Math.floor(index / 2), count = Math.ceil(count / 2)) {
    if (index % 2 === 0 && index + 1 === count) continue;
    const sibling = siblings.shift();
    demand(sibling !== undefined);
    node = keccak256(concat(index % 2 === 0 ? [node, sibling] : [sibling, node]));
  }
  demand(siblings.length === 0);
  return node;
}

function cipher(key: Uint8Array, segment: number, counter: number, bytes: Uint8Array): Buffer {
  const start = Buffer.alloc(16);
  start.writeUInt32LE(counter, 0);
  start.writeUInt32LE(segment, 4);
  return createCipheriv("chacha20", key, start).update(bytes);
}
