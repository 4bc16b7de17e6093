import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { concat, getBytes, keccak256 } from "ethers";
import fc from "fast-check";
import { after, before, describe, it } from "mocha";
import { blindRoot } from "../../../../sdk/exchange/blind.ts";
import { geometryOf, levelOf } from "../../../../sdk/exchange/geometry.ts";
import { buildMisbehaviourProof } from "../../../../sdk/exchange/misbehaviourProof.ts";
import { sealFile } from "../../../../sdk/exchange/seal.ts";
import { keyCommit } from "../../../../sdk/exchange/segmentKey.ts";
import { parseTaskId } from "../../../../sdk/ids.ts";
import { rootOfFile } from "../../../../sdk/storage/root.ts";
import { checkMisbehaviour } from "../../../helpers/checkMisbehaviour.ts";
import { spoilPage } from "../../../helpers/spoilPage.ts";

const PAGE = 4096;

const keys = {
  taskId: parseTaskId("00112233-4455-6677-8899-aabbccddeeff"),
  u: Uint8Array.from({ length: 32 }, (_, i) => 255 - i),
  s: Uint8Array.from({ length: 32 }, (_, i) => i * 7),
};

/** One page; a hash page; the last data page and its hash page in one and in two segments; two levels of hash pages. */
const SIZES = [1, PAGE + 1, 63 * PAGE, 64 * PAGE, 65 * PAGE, 128 * PAGE, 129 * PAGE, 400 * PAGE];

describe("proof of misbehaviour", () => {
  let directory: string;
  let path: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "anneal-proof-"));
    path = join(directory, "sealed");
  });
  after(() => rm(directory, { recursive: true }));

  const seal = async (size: number) => {
    await writeFile(join(directory, "plain"), Buffer.alloc(size, "anneal "));
    return sealFile(join(directory, "plain"), path, keys);
  };

  const commitment = async (size: number, contentRoot: string) => ({
    id: keys.taskId,
    size,
    root: (await rootOfFile(path)).root,
    exchange: keccak256(concat([blindRoot(keys.u), contentRoot, keyCommit(keys.s)])),
  });

  async function prove(size: number, contentRoot: string, page: number) {
    const bytes = await readFile(path);
    const { segmentRoots } = await rootOfFile(path);
    const read: number[] = [];
    const readSegment = async (index: number) => {
      read.push(index);
      return bytes.subarray(index * 64 * PAGE, (index + 1) * 64 * PAGE);
    };
    const file = { segmentRoots, readSegment };
    const proof = await buildMisbehaviourProof(file, { ...keys, size, contentRoot, page });
    expect(read.length, "segments read").to.be.at.most(2);
    return proof;
  }

  for (const size of SIZES) {
    it(`shows that every page of an honest file of ${size} bytes matches its entry`, async () => {
      const { contentRoot } = await seal(size);
      const task = await commitment(size, contentRoot);
      const { totalPages } = geometryOf(size);
      const step = Math.max(1, Math.floor(totalPages / 12));
      for (let page = totalPages - 1; page >= 0; page -= step) {
        const proof = await prove(size, contentRoot, page);
        expect(checkMisbehaviour(task, proof), `page ${page}`).to.equal("match");
      }
    });
  }

  it("shows a flipped bit in a page of any level, at any size", async () => {
    const cases = fc.tuple(fc.constantFrom(...SIZES), fc.nat(), fc.nat(PAGE - 1));
    await fc.assert(
      fc.asyncProperty(cases, async ([size, choice, offset]) => {
        const { contentRoot } = await seal(size);
        const geometry = geometryOf(size);
        const level = choice % geometry.levels.length;
        const { firstPage, pages } = geometry.levels[level]!;
        const page = firstPage + (choice % pages);
        expect(levelOf(geometry, page)).to.equal(level);
        await spoilPage(path, page, offset);
        const task = await commitment(size, contentRoot);
        const proof = await prove(size, contentRoot, page);
        expect(checkMisbehaviour(task, proof)).to.equal("mismatch");
      }),
      { numRuns: 20 },
    );
  });

  it("shows that contentRoot is not the digest of the top page", async () => {
    for (const size of SIZES) {
      await seal(size);
      const contentRoot = `0x${"ab".repeat(32)}`;
      const task = await commitment(size, contentRoot);
      const proof = await prove(size, contentRoot, geometryOf(size).totalPages - 1);
      expect(checkMisbehaviour(task, proof)).to.equal("mismatch");
      expect(proof.entryChunk).to.have.length(0);
    }
  });

  it("reveals one of the user's blinds, or two if the entry is in another segment, and no more", async () => {
    const { contentRoot } = await seal(400 * PAGE);
    const near = await prove(400 * PAGE, contentRoot, 399); // its hash page is in the same segment
    expect(near.entryBlindPath).to.have.length(0);
    expect(near.entryBlind).to.deep.equal(new Uint8Array(32));
    const far = await prove(400 * PAGE, contentRoot, 0);
    expect(far.blindPath).to.have.length(12);
    expect(far.entryBlindPath).to.have.length(12);
    expect(far.entryBlind).not.to.deep.equal(far.blind);
  });

  it("needs the bytes of the page's own position in the file, not another's", async () => {
    const size = 130 * PAGE;
    const { contentRoot } = await seal(size);
    const task = await commitment(size, contentRoot);
    const one = await prove(size, contentRoot, 5);
    const other = await prove(size, contentRoot, 6);
    expect(checkMisbehaviour(task, { ...one, page: 6 })).to.equal("invalid");
    const swapped = { ...one, pageBytes: other.pageBytes, pagePath: other.pagePath };
    expect(checkMisbehaviour(task, swapped)).to.equal("invalid");
    expect(checkMisbehaviour(task, { ...one, key: getBytes(`0x${"01".repeat(32)}`) })).to.equal(
      "invalid",
    );
  });
});
