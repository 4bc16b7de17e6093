import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";
import { jsonl, temporaryFolder } from "../sdk/dataset/temporaryFolder.ts";

const SCRIPT = resolve(import.meta.dirname, "../../../scripts/convertData.ts");

describe("npm run convert-data", () => {
  const { folder, write } = temporaryFolder();
  const convert = (...words: string[]) =>
    spawnSync(process.execPath, [SCRIPT, ...words], { cwd: folder, encoding: "utf8" });

  it("leaves its input alone if it is also named as the output", () => {
    const content = jsonl({ question: "a", answer: "b" });
    const input = write(".jsonl", content);
    for (const flags of [[], ["--force"]]) {
      const { status, stderr } = convert(input, input, "prompt=question", ...flags);
      expect(status).to.equal(2);
      expect(stderr).to.match(/^Error: .+ would destroy it\.\n.+\.\n$/);
    }
    expect(readFileSync(input, "utf8")).to.equal(content);
  });

  it("replaces another file with --force, anywhere in the command line", () => {
    const input = write(".jsonl", jsonl({ q: "a" }));
    const output = write(".jsonl", "mine");
    expect(convert(input, output, "prompt=q").status).to.equal(2);
    expect(readFileSync(output, "utf8")).to.equal("mine");
    const { status, stdout } = convert("--force", input, output, "prompt=q");
    expect(status).to.equal(0);
    expect(stdout).to.equal(`1 row written to ${output}\n`);
  });

  it("refuses invalid arguments, and writes nothing", () => {
    const input = write(".jsonl", jsonl({ q: "a" }));
    const output = join(folder, "never.jsonl");
    for (const words of [
      [],
      [input],
      [input, output],
      [input, output, "prompt"],
      [input, output, "prompt=q", "limit=ten"],
      [input, output, "prompt=q", "--frce"],
    ]) {
      const { status, stderr } = convert(...words);
      expect(status, words.join(" ")).to.equal(2);
      expect(stderr).to.match(/^Error: .+\nUsage: npm run convert-data -- IN OUT\.jsonl/);
    }
    expect(() => readFileSync(output)).to.throw("ENOENT");
  });
});
