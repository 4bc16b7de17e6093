import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { after, before, describe, it } from "mocha";
import { getAccount } from "../../../../sdk/account/getAccount.ts";
import { getSubAccount } from "../../../../sdk/account/getSubAccount.ts";
import {
  BLINDS,
  blindAt,
  blindLeaves,
  blindProof,
  blindRoot,
} from "../../../../sdk/exchange/blind.ts";
import { type Geometry, geometryOf, segmentOf } from "../../../../sdk/exchange/geometry.ts";
import {
  buildMisbehaviourProof,
  type MisbehaviourProof,
} from "../../../../sdk/exchange/misbehaviourProof.ts";
import { openFile } from "../../../../sdk/exchange/open.ts";
import { PageCipher } from "../../../../sdk/exchange/PageCipher.ts";
import { PageMismatchError } from "../../../../sdk/exchange/PageMismatchError.ts";
import { sealFile } from "../../../../sdk/exchange/seal.ts";
import type { Root } from "../../../../sdk/ids.ts";
import { rootOfFile } from "../../../../sdk/storage/root.ts";
import { paddedChunkCount, SEGMENT_BYTES } from "../../../../sdk/storage/tree/segment.ts";
import { getTask } from "../../../../sdk/task/getTask.ts";
import { checkMisbehaviour, fold, subtreeRoot } from "../../../helpers/checkMisbehaviour.ts";
import { spoilPage } from "../../../helpers/spoilPage.ts";
import { type Court, openCourt } from "./court.ts";
import { makeVirtualFile } from "./virtualFile.ts";

/** How much is tested. */
export interface DisputeVolume {
  /** Honest files, of which a few pages each are disputed. */
  readonly honestFiles: number;
  /** Files with one planted fault. */
  readonly faultyFiles: number;
  /** Proofs with one changed field. */
  readonly changedProofs: number;
  /** Pages disputed in each file of a boundary size, besides the top page. */
  readonly pagesPerSize: number;
  /** Timeout of one test in milliseconds, if longer than usual. */
  readonly timeout?: number;
}

const PAGE = 4096;
const GIB = 2 ** 30;
/** The maximum gas of a dispute. */
const MOST_GAS = 700_000n;

/** Sizes at which pages, levels, segments, the storage tree's padding or the blinds start over. */
const BOUNDARIES = [
  ...[1, PAGE - 1, PAGE, PAGE + 1],
  ...[2, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257].map((pages) => pages * PAGE),
  ...[4_032, 4_033, 8_192, 16_383, 16_384, 16_385].map((pages) => pages * PAGE),
  ...[GIB - PAGE, GIB, GIB + 1, 16_384 * 64 * PAGE],
];

const anySize = fc.oneof(
  fc.integer({ min: 1, max: 8 * PAGE }),
  fc.integer({ min: 1, max: 300 * PAGE }),
  fc.constantFrom(...BOUNDARIES.filter((size) => size <= 257 * PAGE)),
);

/** A page of any level, chosen by two numbers: most pages are data pages, and most faults should be in others. */
const pageOf = ({ levels }: Geometry, level: number, position: number) => {
  const { firstPage, pages } = levels[level % levels.length]!;
  return firstPage + (position % pages);
};

const choice = fc.tuple(fc.nat(), fc.nat());

/** The contract's verdict on deliverables, compared with the SDK's, on a chain. */
export function disputes(volume: DisputeVolume): void {
  describe("disputes on chain", function () {
    if (volume.timeout !== undefined) this.timeout(volume.timeout);
    let court: Court;
    let directory: string;
    let path: string;
    before(async () => {
      court = await openCourt();
      directory = await mkdtemp(join(tmpdir(), "anneal-disputes-"));
      path = join(directory, "sealed");
    });
    after(async () => {
      await court.close();
      await rm(directory, { recursive: true });
    });

    async function sealRandom(size: number) {
      const keys = await court.accept();
      await writeFile(join(directory, "plain"), randomBytes(size));
      return { keys, ...(await sealFile(join(directory, "plain"), path, keys)) };
    }

    async function prove(options: Parameters<typeof buildMisbehaviourProof>[1]) {
      const { segmentRoots } = await rootOfFile(path);
      const bytes = await readFile(path);
      const readSegment = async (index: number) =>
        bytes.subarray(index * SEGMENT_BYTES, (index + 1) * SEGMENT_BYTES);
      return buildMisbehaviourProof({ segmentRoots, readSegment }, options);
    }

    it(`reject every claim against ${volume.honestFiles} honest files`, async () => {
      const claims = fc.array(choice, { minLength: 1, maxLength: 2 });
      await fc.assert(
        fc.asyncProperty(anySize, claims, async (size, chosen) => {
          const { keys, root, contentRoot } = await sealRandom(size);
          const id = keys.taskId;
          const task = await court.reveal({ id, size, root, contentRoot });
          for (const [level, position] of chosen) {
            const page = pageOf(geometryOf(size), level, position);
            const proof = await prove({ ...keys, size, contentRoot, page });
            expect(await court.judge(id, proof), `page ${page}`).to.equal("match");
            expect(checkMisbehaviour(task, proof)).to.equal("match");
          }
        }),
        { numRuns: volume.honestFiles, endOnFailure: true },
      );
    });

    it(`slash each of ${volume.faultyFiles} files with a fault, wherever it is`, async () => {
      const { user, provider, reader } = court.market;
      const ofUser = { account: user.address, provider: provider.address };
      const ofProvider = { account: provider.address, provider: provider.address };
      const money = async () => ({
        available: (await getAccount(reader, { account: user.address })).available,
        free: (await getSubAccount(reader, ofUser)).free,
        stake: (await getSubAccount(reader, ofProvider)).balance,
      });
      const offset = fc.nat(PAGE - 1);
      await fc.assert(
        fc.asyncProperty(anySize, choice, offset, fc.boolean(), async (size, at, byte, isRoot) => {
          const { keys, contentRoot: honest, ...sealed } = await sealRandom(size);
          const geometry = geometryOf(size);
          const page = isRoot ? geometry.totalPages - 1 : pageOf(geometry, ...at);
          const contentRoot = isRoot ? `0x${randomBytes(32).toString("hex")}` : honest;
          const root = isRoot ? sealed.root : await spoilPage(path, page, byte);
          const id = keys.taskId;
          const opening = { ...keys, size, contentRoot };
          await court.reveal({ id, size, root, contentRoot });
          const error = await openFile(path, join(directory, "opened"), opening).catch((e) => e);
          expect(error).to.be.instanceOf(PageMismatchError).with.property("page", page);

          const proof = await prove({ ...opening, page });
          const before = await money();
          const { fee, bondBps } = await getTask(reader, { id });
          expect(await court.prove(id, proof)).to.be.at.most(MOST_GAS);
          const bond = (fee * BigInt(bondBps) + 9_999n) / 10_000n;
          const now = await money();
          expect((await getTask(reader, { id })).state).to.equal("Slashed");
          expect(now.free - before.free).to.equal(fee);
          expect(now.available - before.available).to.equal((bond + 1n) / 2n);
          expect(before.stake - now.stake).to.equal(bond);
        }),
        { numRuns: volume.faultyFiles, endOnFailure: true },
      );
    });

    it(`judge ${volume.changedProofs} changed proofs by the rule, and accept none about an honest file`, async () => {
      const size = 200 * PAGE; // three segments: page and entry are in one or in two of them
      const { keys, root, contentRoot } = await sealRandom(size);
      const id = keys.taskId;
      const task = await court.reveal({ id, size, root, contentRoot });
      const proofs: MisbehaviourProof[] = [];
      for (const page of [0, 130, 199, 201, geometryOf(size).totalPages - 1]) {
        proofs.push(await prove({ ...keys, size, contentRoot, page }));
      }
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...proofs).chain(anyChange), async (changed) => {
          const verdict = await court.judge(id, changed);
          expect(verdict).to.equal(checkMisbehaviour(task, changed));
          expect(verdict).not.to.equal("mismatch");
        }),
        { numRuns: volume.changedProofs, endOnFailure: true },
      );
    });

    for (const size of BOUNDARIES) {
      it(`agree with the SDK on ${size} bytes, and take ${MOST_GAS} gas at most`, async () => {
        const geometry = geometryOf(size);
        const keys = await court.accept();
        const id = keys.taskId;
        const chosen = fc.sample(choice, volume.pagesPerSize);
        const others = chosen.map((at) => pageOf(geometry, ...at));
        // The most expensive page is in another segment than its entry, and under another blind.
        const dearest = geometry.levels[0]!.pages > 64 ? 64 : 0;
        const pages = [...new Set([dearest, geometry.totalPages - 1, ...others])];
        const isFaulty = fc.sample(fc.boolean(), pages.length);
        const faulty = new Set([dearest, ...pages.filter((_, index) => isFaulty[index])]);
        const file = makeVirtualFile(keys, size, { pages, faulty });
        const { root, contentRoot } = file;
        const task = await court.reveal({ id, size, root, contentRoot });
        const prove = (page: number) =>
          buildMisbehaviourProof(file, { ...keys, size, contentRoot, page });
        for (const page of pages) {
          const proof = await prove(page);
          const expected = faulty.has(page) ? "mismatch" : "match";
          expect(await court.judge(id, proof), `page ${page}`).to.equal(expected);
          expect(checkMisbehaviour(task, proof), `page ${page}`).to.equal(expected);
        }
        expect(await court.prove(id, await prove(dearest))).to.be.at.most(MOST_GAS);
      });
    }

    it("agree with the SDK on the top page of the largest container", async () => {
      const size = 2 ** 47;
      const { totalPages, encryptedSize } = geometryOf(size);
      const page = totalPages - 1;
      const leaves = paddedChunkCount(encryptedSize) / 16;
      const pagePath = Array.from({ length: siblings(page, leaves) }, () => randomBytes(32));
      const clear = randomBytes(PAGE);
      const digest = createHash("sha256").update(clear).digest("hex");
      for (const [contentRoot, expected] of [
        [`0x${digest}`, "match"],
        [`0x${"00".repeat(31)}01`, "mismatch"],
      ] as const) {
        const keys = await court.accept();
        const pageBytes = new PageCipher(keys).apply(page, clear);
        const root = fold(subtreeRoot(pageBytes), page, leaves, pagePath) as Root;
        const task = await court.reveal({ id: keys.taskId, size, root, contentRoot });
        const j = segmentOf(page) % BLINDS;
        const proof: MisbehaviourProof = {
          key: keys.s,
          blindRoot: blindRoot(keys.u),
          contentRoot,
          page,
          pageBytes,
          pagePath,
          blind: blindAt(keys.u, j),
          blindPath: blindProof(blindLeaves(keys.u), j),
          entryChunk: new Uint8Array(0),
          entryPath: [],
          entryBlind: new Uint8Array(32),
          entryBlindPath: [],
        };
        expect(checkMisbehaviour(task, proof)).to.equal(expected);
        expect(await court.judge(keys.taskId, proof)).to.equal(expected);
      }
    });
  });
}

/** Steps from a node of a row to the root on which it has a sibling. */
function siblings(index: number, count: number): number {
  if (count === 1) return 0;
  const isAlone = index % 2 === 0 && index + 1 === count;
  return (isAlone ? 0 : 1) + siblings(Math.floor(index / 2), Math.ceil(count / 2));
}

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

/** The proof with one field changed. */
function anyChange(proof: MisbehaviourProof): fc.Arbitrary<MisbehaviourProof> {
  const flipped = (field: "key" | "blindRoot" | "pageBytes" | "blind" | "entryChunk") =>
    fc.nat(8 * Math.max(1, proof[field].length) - 1).map((bit) => {
      const changed = Uint8Array.from(proof[field]);
      if (changed.length > 0) changed[bit >> 3]! ^= 1 << (bit & 7);
      return { ...proof, [field]: changed };
    });
  const paths = ["pagePath", "blindPath", "entryPath", "entryBlindPath"] as const;
  const path = fc.constantFrom(...paths).chain((field) => {
    const steps = proof[field];
    return fc.oneof(
      fc.constant({ ...proof, [field]: steps.slice(1) }),
      fc.constant({ ...proof, [field]: steps.slice(0, -1) }),
      fc.constant({ ...proof, [field]: [] }),
      fc.constant({ ...proof, [field]: [...steps].reverse() }),
      bytes(32).map((step) => ({ ...proof, [field]: [...steps, step] })),
      fc.tuple(fc.nat(), bytes(32)).map(([at, step]) => ({
        ...proof,
        [field]: steps.map((old, index) => (index === at % steps.length ? step : old)),
      })),
    );
  });
  return fc.oneof(
    path,
    fc.constantFrom("key", "blindRoot", "pageBytes", "blind", "entryChunk").chain(flipped),
    fc.nat(2 ** 20).map((page) => ({ ...proof, page })),
    fc.constantFrom(0, 1, 2 ** 32, 2 ** 48).map((more) => ({ ...proof, page: proof.page + more })),
    bytes(32).map((root) => ({ ...proof, contentRoot: `0x${Buffer.from(root).toString("hex")}` })),
    fc.constantFrom(0, 1, 4095, 4097).map((n) => ({ ...proof, pageBytes: new Uint8Array(n) })),
    fc.constantFrom(0, 1, 255, 257).map((n) => ({ ...proof, entryChunk: new Uint8Array(n) })),
    bytes(32).map((entryBlind) => ({ ...proof, entryBlind })),
    fc.constant({ ...proof, entryBlind: proof.blind, entryBlindPath: proof.blindPath }),
    fc.constant({ ...proof, blind: proof.entryBlind, blindPath: proof.entryBlindPath }),
  );
}
