import { execFileSync } from "node:child_process";
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { afterEach, beforeEach, describe, it } from "mocha";
import { diskUsage } from "../../../../provider/files/diskUsage.ts";
import { hideFile } from "../hideFile.ts";

const MIB = 2 ** 20;

describe("diskUsage", () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "anneal-usage-"));
    mkdirSync(join(root, "job/out"), { recursive: true });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const job = (name: string) => join(root, "job", name);
  const usage = (except: readonly string[] = [], enough = Number.POSITIVE_INFINITY) =>
    diskUsage(join(root, "job"), except, enough);

  it("counts files in all folders, except those excluded at the top", async () => {
    const empty = await usage();
    writeFileSync(job("out/model"), Buffer.alloc(MIB, 1));
    writeFileSync(job("data"), Buffer.alloc(2 * MIB, 1));
    writeFileSync(job("out/data"), Buffer.alloc(MIB, 1));
    expect((await usage()) - empty).to.be.within(4 * MIB, 4.1 * MIB);
    expect((await usage(["data"])) - empty).to.be.within(2 * MIB, 2.1 * MIB);
  });

  it("never follows a link, not even a circular one", async () => {
    writeFileSync(join(root, "large"), Buffer.alloc(8 * MIB, 1));
    symlinkSync(join(root, "large"), job("out/link"));
    symlinkSync(root, job("out/around"));
    symlinkSync("/nowhere", job("out/dangling"));
    expect(await usage()).to.be.below(MIB);
  });

  it("counts allocated blocks: no holes, and a file with two names once", async () => {
    writeFileSync(job("hole"), "");
    truncateSync(job("hole"), 2 ** 40);
    writeFileSync(job("file"), Buffer.alloc(MIB, 1));
    linkSync(job("file"), job("out/same"));
    expect(await usage()).to.be.within(MIB, 1.1 * MIB);
  });

  it("agrees with du", async () => {
    const sizes = fc.array(fc.nat(200_000), { maxLength: 12 });
    const property = fc.asyncProperty(sizes, async (lengths) => {
      rmSync(job(""), { recursive: true });
      for (const [index, length] of lengths.entries()) {
        const directory = job(
          Array(index % 4)
            .fill("deeper")
            .join("/"),
        );
        mkdirSync(directory, { recursive: true });
        writeFileSync(join(directory, `${index}`), Buffer.alloc(length, 1));
        if (index % 3 === 0) linkSync(join(directory, `${index}`), join(directory, `${index}.x`));
      }
      mkdirSync(job(""), { recursive: true });
      const blocks = Number(
        execFileSync("du", ["--block-size=512", "-s", job("")])
          .toString()
          .split("\t")[0],
      );
      const own = Number(execFileSync("stat", ["--format=%b", job("")]));
      expect(await usage()).to.equal(512 * (blocks - own));
    });
    await fc.assert(property, { numRuns: 15 });
  });

  it("counts missing and vanishing files as zero", async () => {
    expect(await diskUsage(join(root, "nowhere"), [], 1)).to.equal(0);
    for (let i = 0; i < 500; i++) writeFileSync(job(`out/${i}`), Buffer.alloc(4_096, 1));
    const counting = usage();
    rmSync(job("out"), { recursive: true });
    expect(await counting).to.be.below(3 * MIB);
  });

  it("stops at the limit", async () => {
    for (let i = 0; i < 64; i++) writeFileSync(job(`out/${i}`), Buffer.alloc(65_536, 1));
    expect(await usage([], 100_000)).to.be.within(100_001, 300_000);
  });

  it("reports as too much what was hidden behind too long a path", async () => {
    hideFile(job("out"), 1_000_000);
    try {
      expect(await usage()).to.equal(Number.POSITIVE_INFINITY);
    } finally {
      execFileSync("rm", ["-rf", job("out")]);
    }
  });
});
