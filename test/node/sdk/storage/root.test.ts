import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import fc from "fast-check";
import { after, before, describe, it } from "mocha";
import { ProtocolError } from "../../../../sdk/errors.ts";
import { rootOfFile } from "../../../../sdk/storage/root.ts";
import { submissionNodes } from "../../../../sdk/storage/transfer/submissionNodes.ts";
import {
  RootHasher,
  rootFromSegments,
  rootOfBytes,
  type SegmentList,
} from "../../../../sdk/storage/tree/RootHasher.ts";
import { segmentProof, verifySegmentProof } from "../../../../sdk/storage/tree/SegmentTree.ts";
import {
  paddedChunkCount,
  paddedSegmentCount,
  SEGMENT_BYTES,
  segmentCount,
  segmentRoot,
  verifySegment,
} from "../../../../sdk/storage/tree/segment.ts";
import { skip } from "../../../helpers/skip.ts";

/** Content A repeats every 256 bytes; content B differs in every chunk, so it detects a wrong order. */
const CONTENT = {
  A: (i: number) => i * 31 + 7,
  B: (i: number) => i * 31 + (i >> 8) * 17 + (i >> 16) * 29 + 7,
};

/** Roots that the official 0G client computes, at the sizes where the shape of the tree changes. */
const KNOWN_ROOTS: [keyof typeof CONTENT, number, string][] = [
  ["A", 1, "0x71bfab3b73c19ec6548f3e1dcc56d9a8c7c66b51b71e4dbbfb1fc0e0bf2826ba"],
  ["A", 255, "0x126dccd8c3dcc7375b96fb4604a9b61ae72b2b869b6da58a868e59adda22a3be"],
  ["A", 257, "0x7ea7520214ca45edb7f0f74f219e68b1c07ccebd02bf44e83503e264733021c6"],
  ["A", 513, "0xb0984440293d286397ad8ac7ba5b2a567ef208c7889072133a67ce4a505dbb95"],
  ["A", 4_097, "0xb187870fd7c9056de1b1e168560a3e9fe9bc3116cc6ce5c60398042b0ab281e2"],
  ["A", 262_143, "0x34400c1f1800b15f03470317db3b3f0117abd4fada95c7f518591762f28b7990"],
  ["A", 262_145, "0xb236481c8daf801365d17e798661a7b3a47de5d494a93400ad2cad0d0b322202"],
  ["A", 786_433, "0xc01b3ed3aeed3d1c1723fd69697c6ed685b38af651fe60c00045b54753041234"],
  ["B", 256, "0xedf1c56924fa652f2b5d33af272bc44a20c49c0b25cb7628363bf8a4cdafee8c"],
  ["B", 768, "0xc8e010162dd29e25ad79e1a862c94d889a66fce975a4129b8a9457f2afd6d271"],
  ["B", 4_096, "0x939f065c0cd0406ff13c77d3712935ab6be136ea998912990fe95225aec598e4"],
  ["B", 100_000, "0xf102b5e67ac7b33ca98238d4433b84939c80968d23016117d496ed0523703a4a"],
  ["B", 262_144, "0x991a80646ef4b3bd3c7418cb7786eec2e28e1932c58d5e60bd415e1ed898d9af"],
  ["B", 294_913, "0x7578ed55e7b527c120d7c682748c8bf4c4e2563528c67d5a4658008c4eb58c97"],
  ["B", 1_048_576, "0xa34ba8220f1d3dfe195ac0aaf3306538bb4da347cf136df5fb212d7e4aabfa8b"],
];

const ZERO_SEGMENT_ROOT = "0xe68d02859bb6211cec64f52368b77d422de3b8eac34bf615942b814b643301b5";

const VECTORS = process.env.ANNEAL_VECTORS ?? "../shared/vectors/storage-roots.json";

interface Vector {
  size: number;
  root: string | null;
  paddedSize: number;
  segments: number;
  segmentsPadded: number;
  submissionNodes: { height: number; root: string }[];
  segmentRoots?: string[];
  lastSegmentProof?: { index: number; lemma: string[]; path: boolean[] };
  proof?: { index: number; lemma: string[]; path: boolean[] };
}

function content(kind: keyof typeof CONTENT, size: number): Uint8Array {
  const byteAt = CONTENT[kind];
  return Uint8Array.from({ length: size }, (_, i) => byteAt(i) & 255);
}

function toHexList(nodes: Uint8Array): string[] {
  const hex = Buffer.from(nodes).toString("hex");
  return (hex.match(/.{64}/g) ?? []).map((node) => `0x${node}`);
}

describe("storage root", () => {
  for (const [kind, size, root] of KNOWN_ROOTS) {
    it(`is 0G's for content ${kind} of ${size} bytes`, () => {
      expect(rootOfBytes(content(kind, size)).root).to.equal(root);
    });
  }

  it("does not depend on how the bytes arrive", () => {
    const bytes = content("B", 3 * SEGMENT_BYTES + 5000);
    const whole = rootOfBytes(bytes);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 6 }), (cuts) => {
        const hasher = new RootHasher();
        const edges = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        for (let i = 1; i < edges.length; i++) {
          hasher.update(bytes.subarray(edges[i - 1], edges[i]));
        }
        expect(hasher.digest()).to.deep.equal(whole);
      }),
      { numRuns: 4 },
    );
  });

  it("is not changed by a caller who reuses the buffer it passed", () => {
    const hasher = new RootHasher();
    const buffer = content("B", 300);
    hasher.update(buffer);
    buffer.fill(0);
    expect(hasher.digest().root).to.equal(rootOfBytes(content("B", 300)).root);
  });

  it("of empty content is refused with a hint", () => {
    expect(() => rootOfBytes(new Uint8Array(0)))
      .to.throw(ProtocolError, "Empty content has no storage root.")
      .with.property("code", "usage");
  });

  it("folds from the segment roots alone, and only from a list of the right length", () => {
    const list = rootOfBytes(content("B", 2 * SEGMENT_BYTES + 1));
    expect(rootFromSegments(list.segmentRoots, list.size)).to.equal(list.root);
    for (const size of [0, 1, SEGMENT_BYTES, 9 * SEGMENT_BYTES]) {
      expect(() => rootFromSegments(list.segmentRoots, size))
        .to.throw(ProtocolError)
        .with.property("code", "integrity");
    }
  });

  it("pads past the last segment with the root of a zero segment", () => {
    const size = 20 * SEGMENT_BYTES + 3;
    expect([segmentCount(size), paddedSegmentCount(size)]).to.deep.equal([21, 22]);
    const list = toHexList(rootOfBytes(new Uint8Array(size)).segmentRoots);
    expect(list).to.deep.equal(Array(22).fill(ZERO_SEGMENT_ROOT));
  });

  it("pads by less than a sixteenth of the next power of two, in whole units", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 48 }), (size) => {
        const chunks = Math.ceil(size / 256);
        const padded = paddedChunkCount(size);
        expect(padded).to.be.at.least(chunks);
        expect(paddedChunkCount(padded * 256)).to.equal(padded);
        expect(padded - chunks).to.be.below(Math.max(1, chunks / 8));
      }),
    );
  });
});

describe("segment check", () => {
  const size = SEGMENT_BYTES + 1000;
  const bytes = content("B", size);
  const { segmentRoots } = rootOfBytes(bytes);
  const parts = [bytes.subarray(0, SEGMENT_BYTES), bytes.subarray(SEGMENT_BYTES)];
  const roots = [segmentRoots.subarray(0, 32), segmentRoots.subarray(32)];

  it("accepts each segment at its own position and no other", () => {
    for (const [i, part] of parts.entries()) {
      for (const [j, root] of roots.entries()) {
        expect(verifySegment(part, j, size, root)).to.equal(i === j);
      }
    }
  });

  it("refuses one flipped bit anywhere", () => {
    fc.assert(
      fc.property(fc.nat(999), fc.nat(7), (at, bit) => {
        const wrong = parts[1]!.slice();
        wrong[at]! ^= 1 << bit;
        expect(verifySegment(wrong, 1, size, roots[1]!)).to.equal(false);
      }),
    );
  });

  it("refuses a segment that is truncated or extended by zeros, even if its leaves are the same", () => {
    const extended = new Uint8Array(1024);
    extended.set(parts[1]!);
    expect(verifySegment(extended, 1, size, roots[1]!)).to.equal(false);
    expect(verifySegment(parts[1]!.subarray(0, 999), 1, size, roots[1]!)).to.equal(false);
    expect(verifySegment(new Uint8Array(0), 2, size, roots[1]!)).to.equal(false);
  });
});

describe("segment proof", () => {
  const list = rootOfBytes(content("B", 4 * SEGMENT_BYTES + 1));

  it("leads to the root from every segment, and never from another root", () => {
    for (let index = 0; index < paddedSegmentCount(list.size); index++) {
      const proof = segmentProof(list, index);
      expect(verifySegmentProof(proof, list.root)).to.equal(true);
      expect(verifySegmentProof(proof, ZERO_SEGMENT_ROOT)).to.equal(false);
    }
  });

  it("fails if one side or one sibling is wrong", () => {
    const proof = segmentProof(list, 1);
    const otherSide = {
      ...proof,
      path: proof.path.map((isLeft, i) => (i === 0 ? !isLeft : isLeft)),
    };
    expect(verifySegmentProof(otherSide, list.root)).to.equal(false);
    const otherSibling = { ...proof, lemma: proof.lemma.with(1, ZERO_SEGMENT_ROOT) };
    expect(verifySegmentProof(otherSibling, list.root)).to.equal(false);
    expect(verifySegmentProof({ lemma: [], path: [] }, list.root)).to.equal(false);
  });
});

describe("root of a file", () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "anneal-root-"));
  });
  after(() => rm(directory, { recursive: true }));

  it("equals the root of its bytes", async () => {
    const bytes = content("B", SEGMENT_BYTES + 77);
    const path = join(directory, "file");
    await writeFile(path, bytes);
    expect(await rootOfFile(path)).to.deep.equal(rootOfBytes(bytes));
  });

  describe("hashed in threads", () => {
    const size = 513 * SEGMENT_BYTES + 4_321;
    let path: string;
    let expected: SegmentList;
    before(async () => {
      path = join(directory, "large");
      const words = new Uint32Array(Math.ceil(size / 4));
      for (let i = 0; i < words.length; i++) words[i] = Math.imul(i, 2654435761);
      const bytes = new Uint8Array(words.buffer, 0, size);
      await writeFile(path, bytes);
      expected = new RootHasher().update(bytes).digest();
    });

    it("is the same as in one thread, while threads start and after that", async () => {
      for (const turn of [1, 2, 3]) {
        const progress: number[] = [];
        const list = await rootOfFile(path, undefined, ({ bytes }) => progress.push(bytes));
        expect(list, `turn ${turn}`).to.deep.equal(expected);
        expect(progress).to.deep.equal(progress.toSorted((a, b) => a - b));
        expect(progress.at(-1)).to.equal(size);
      }
    });

    it("does not keep the process alive, and uses one thread if threads are not allowed", async () => {
      const script = join(import.meta.dirname, "rootChild.ts");
      for (const flags of [[], ["--permission", "--allow-fs-read=*"]]) {
        const run = promisify(execFile);
        const { stdout } = await run(process.execPath, [...flags, script, path]);
        expect(stdout.trim()).to.equal(expected.root);
      }
    });
  });

  it("refuses a missing file, a directory and an empty file with a hint each", async () => {
    const empty = join(directory, "empty");
    await writeFile(empty, "");
    for (const path of [join(directory, "missing"), directory, empty]) {
      const error = await rootOfFile(path).catch((e) => e);
      expect(error).to.be.instanceOf(ProtocolError);
      expect(error.code).to.equal("usage");
      expect(error.hint).to.match(/\.$/);
    }
  });

  it("stops when it is aborted", async () => {
    const path = join(directory, "file");
    const error = await rootOfFile(path, AbortSignal.abort()).catch((e) => e);
    expect(error.name).to.equal("AbortError");
  });
});

describe("0G's vectors", () => {
  if (!existsSync(VECTORS)) {
    it("match", function () {
      skip(this, `${VECTORS} is absent: ANNEAL_VECTORS names the file with 0G's storage roots.`);
    });
    return;
  }
  const file = JSON.parse(readFileSync(VECTORS, "utf8"));
  for (const kind of ["A", "B"] as const) {
    for (const vector of file[`vectors_${kind}`] as Vector[]) {
      if (vector.root === null) continue;
      it(`match for content ${kind} of ${vector.size} bytes`, () => checkVector(kind, vector));
    }
  }

  it("match for six chunks of zeros", () => {
    expect(rootOfBytes(new Uint8Array(6 * 256)).root).to.equal(file.zero_6_chunks);
  });
});

function checkVector(kind: "A" | "B", vector: Vector): void {
  const { size } = vector;
  const list = size > 2 ** 24 ? longListA(size) : rootOfBytes(content(kind, size));
  expect(list.root).to.equal(vector.root);
  expect(paddedChunkCount(size) * 256).to.equal(vector.paddedSize);
  expect(segmentCount(size)).to.equal(vector.segments);
  expect(paddedSegmentCount(size)).to.equal(vector.segmentsPadded);
  if (vector.segmentRoots) {
    expect(toHexList(list.segmentRoots)).to.deep.equal(vector.segmentRoots);
  }
  const { index, ...proof } = (vector.lastSegmentProof ?? vector.proof)!;
  expect(segmentProof(list, index)).to.deep.equal(proof);
  expect(verifySegmentProof(proof, list.root)).to.equal(true);
  // Content A repeats with every segment, and content B is short enough to be in one piece.
  const start = (segmentCount(size) - 1) * SEGMENT_BYTES;
  const last = kind === "A" ? content("A", size - start) : content("B", size).subarray(start);
  expect(submissionNodes(list, last)).to.deep.equal(vector.submissionNodes);
}

/** The segment list of a long content A, whose full segments are all equal, which saves seconds. */
function longListA(size: number): SegmentList {
  const segmentRoots = new Uint8Array(paddedSegmentCount(size) * 32);
  const last = segmentCount(size) - 1;
  const full = segmentRoot(content("A", SEGMENT_BYTES), 0, size);
  for (let i = 0; i < last; i++) segmentRoots.set(full, i * 32);
  const tail = content("A", size - last * SEGMENT_BYTES);
  segmentRoots.set(segmentRoot(tail, last, size), last * 32);
  const zeros = Buffer.from(ZERO_SEGMENT_ROOT.slice(2), "hex");
  for (let at = (last + 1) * 32; at < segmentRoots.length; at += 32) segmentRoots.set(zeros, at);
  return { root: rootFromSegments(segmentRoots, size), segmentRoots, size };
}
