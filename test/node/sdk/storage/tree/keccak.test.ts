import { keccak_256 } from "@noble/hashes/sha3.js";
import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { hashChunks, hashPairs, hashTree } from "../../../../../sdk/storage/tree/keccak.ts";

/** The reference, one input at a time. */
function each(bytes: Uint8Array, length: number): Buffer {
  const digests: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += length) {
    digests.push(keccak_256(bytes.subarray(at, at + length)));
  }
  return Buffer.concat(digests);
}

const filled = (length: number, seed: number) =>
  Uint8Array.from({ length }, (_, i) => (Math.imul(i + 1, seed) >>> 13) & 255);

describe("keccak in WebAssembly", () => {
  it("hashes chunks as the reference does, for every count and with zeros past the end", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.nat(9_000),
        fc.nat(),
        (count, length, seed) => {
          const bytes = filled(Math.min(length, count * 256), seed);
          const padded = new Uint8Array(count * 256);
          padded.set(bytes);
          expect(Buffer.compare(hashChunks(bytes, count), each(padded, 256))).to.equal(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("hashes pairs as the reference does, beyond what its memory holds at once", () => {
    for (const count of [0, 1, 2, 3, 1023, 4095, 4096, 4097, 8193]) {
      const pairs = filled(count * 64, count + 77);
      expect(Buffer.compare(hashPairs(pairs), each(pairs, 64)), `${count} pairs`).to.equal(0);
    }
  });

  it("folds chunks to the root that the reference folds them to, for every shape of tree", () => {
    const bytes = filled(1024 * 256, 9);
    const counts = [...Array.from({ length: 40 }, (_, i) => i + 1), 511, 512, 513, 1023, 1024];
    for (const count of counts) {
      let level = each(bytes.subarray(0, count * 256), 256);
      while (level.length > 32) {
        const paired = level.length - (level.length % 64);
        level = Buffer.concat([each(level.subarray(0, paired), 64), level.subarray(paired)]);
      }
      const root = hashTree(bytes, count);
      expect(Buffer.compare(root, level), `${count} chunks`).to.equal(0);
    }
  });

  it("keeps nothing of the previous input", () => {
    hashChunks(filled(1024 * 256, 5), 1024);
    expect(
      Buffer.compare(hashChunks(new Uint8Array(0), 3), each(new Uint8Array(768), 256)),
    ).to.equal(0);
  });

  it("hashes special inputs: all zeros, all ones", () => {
    for (const byte of [0x00, 0xff]) {
      const chunk = new Uint8Array(256).fill(byte);
      expect(Buffer.compare(hashChunks(chunk, 1), each(chunk, 256))).to.equal(0);
    }
  });
});
