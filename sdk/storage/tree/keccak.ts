import { keccak_256 } from "@noble/hashes/sha3.js";
import { keccakModule, roundConstants } from "./keccakModule.ts";

/** keccak256 of one input, 32 bytes. For the many inputs of a tree, use hashChunks, hashPairs and hashTree. */
export const keccak256: (bytes: Uint8Array) => Uint8Array = keccak_256;

const CHUNK = 256;
const PAIR = 64;
const DIGEST = 32;

/** Offset of inputs in the module's memory, and their maximum size: one segment. */
const INPUT = 1024;
const CAPACITY = 256 * 1024;
const OUTPUT = INPUT + CAPACITY + CHUNK;

interface Hasher {
  readonly memory: Uint8Array;
  leaves(input: number, count: number, output: number): void;
  parents(input: number, count: number, output: number): void;
  root(input: number, count: number, output: number): void;
}

let compiled: WebAssembly.Module | undefined;
let hasher: Hasher | undefined;

/** Compiling the module takes some milliseconds, so it happens on first use. */
function getModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(keccakModule());
  return compiled;
}

function getHasher(): Hasher {
  if (hasher) return hasher;
  const { exports } = new WebAssembly.Instance(getModule());
  const memory = new Uint8Array((exports.memory as WebAssembly.Memory).buffer);
  memory.set(new Uint8Array(roundConstants().buffer));
  hasher = { ...(exports as unknown as Hasher), memory };
  return hasher;
}

/** What another thread needs to hash trees like `hashTree` without compiling the module again. */
export function hasherParts() {
  return { module: getModule(), constants: roundConstants(), input: INPUT, output: OUTPUT };
}

/**
 * Digests of the first `count` chunks of 256 bytes, 32 bytes each; `bytes` is padded with zeros.
 * @param count at most 1024
 */
export function hashChunks(bytes: Uint8Array, count: number): Uint8Array {
  const { memory, leaves } = getHasher();
  putChunks(memory, bytes, count);
  leaves(INPUT, count, OUTPUT);
  return memory.slice(OUTPUT, OUTPUT + count * DIGEST);
}

/** Root, 32 bytes, of the tree over these digests: parent = keccak256(left‖right), an odd last node moves up. */
export function hashTree(bytes: Uint8Array, count: number): Uint8Array {
  const { memory, root } = getHasher();
  putChunks(memory, bytes, count);
  root(INPUT, count, OUTPUT);
  return memory.slice(OUTPUT, OUTPUT + DIGEST);
}

function putChunks(memory: Uint8Array, bytes: Uint8Array, count: number): void {
  memory.set(bytes.subarray(0, count * CHUNK), INPUT);
  memory.fill(0, INPUT + Math.min(bytes.length, count * CHUNK), INPUT + count * CHUNK);
}

/** Digests of inputs of 64 bytes each, one after the other: two nodes of a tree become their parent. */
export function hashPairs(pairs: Uint8Array): Uint8Array {
  const { memory, parents } = getHasher();
  const digests = new Uint8Array(pairs.length / 2);
  for (let start = 0; start < pairs.length; start += CAPACITY) {
    const part = pairs.subarray(start, start + CAPACITY);
    memory.set(part, INPUT);
    parents(INPUT, part.length / PAIR, OUTPUT);
    digests.set(memory.subarray(OUTPUT, OUTPUT + part.length / 2), start / 2);
  }
  return digests;
}
