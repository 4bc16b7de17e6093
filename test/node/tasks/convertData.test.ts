import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import { before, describe, it } from "mocha";
import { jsonl, temporaryFolder } from "../sdk/dataset/temporaryFolder.ts";
import { runCommand } from "./runCommand.ts";

describe("tasks: convert-data", () => {
  const { folder, write } = temporaryFolder();
  let hre: HardhatRuntimeEnvironment;
  before(async () => {
    hre = (await import("hardhat")).default as HardhatRuntimeEnvironment;
  });
  let count = 0;
  const fresh = () => join(folder, `output-${count++}.jsonl`);
  const convert = (dataPath: string, output: string, flags: object = {}) =>
    runCommand(hre, "convert-data", { dataPath, output, ...flags });

  it("says how many rows it wrote, where they come from, what it left out, and what comes next", async () => {
    const input = write(".jsonl", jsonl({ question: "a", answer: "b", id: 1 }));
    const output = fresh();
    const { stdout, stderr, exitCode } = await convert(input, output);
    expect(exitCode, stderr).to.equal(0);
    expect(stdout).to.equal(
      `1 row written to ${output}, prompt from question, completion from answer.\nLeft out: id.\n`,
    );
    expect(stderr).to.equal(`Next: npx hardhat check-data --data-path ${output}\n`);
  });

  it("prints the same as a document", async () => {
    const input = write(".jsonl", jsonl({ question: "a", answer: "b" }));
    const output = fresh();
    const { stdout } = await convert(input, output, { json: true });
    expect(JSON.parse(stdout)).to.deep.equal({
      path: output,
      rows: 1,
      from: "columns",
      columns: { prompt: "question", completion: "answer" },
      dropped: [],
    });
  });

  it("takes a part of the rows, and columns by name or number", async () => {
    const rows = Array.from({ length: 9 }, (_, n) => ({ q: `${n}`, a: "b" }));
    const output = fresh();
    const part = { columns: "prompt=q,completion=a", offset: "3", limit: "2" };
    const { exitCode } = await convert(write(".jsonl", jsonl(...rows)), output, part);
    expect(exitCode).to.equal(0);
    expect(readFileSync(output, "utf8")).to.equal(
      jsonl({ prompt: "3", completion: "b" }, { prompt: "4", completion: "b" }),
    );
    const numbered = fresh();
    await convert(write(".tsv", "1\tgood\n0\tbad\n"), numbered, { columns: "label=0,text=1" });
    expect(readFileSync(numbered, "utf8")).to.equal(
      jsonl({ label: "1", text: "good" }, { label: "0", text: "bad" }),
    );
  });

  it("leaves its input alone if it is also named as the output", async () => {
    const content = jsonl({ question: "a", answer: "b" });
    const input = write(".jsonl", content);
    for (const force of [false, true]) {
      const { exitCode, stderr } = await convert(input, input, { force });
      expect(exitCode).to.equal(2);
      expect(stderr).to.match(/^Error: .+ would destroy it\.\n.+\.\n$/);
    }
    expect(readFileSync(input, "utf8")).to.equal(content);
  });

  it("replaces another file only with --force", async () => {
    const input = write(".jsonl", jsonl({ question: "a", answer: "b" }));
    const output = write(".jsonl", "mine");
    const refused = await convert(input, output);
    expect(refused.exitCode).to.equal(2);
    expect(refused.stderr).to.contain("--force");
    expect(readFileSync(output, "utf8")).to.equal("mine");
    expect((await convert(input, output, { force: true })).exitCode).to.equal(0);
  });

  it("refuses invalid flags in one sentence, and writes nothing", async () => {
    const input = write(".jsonl", jsonl({ question: "a", answer: "b" }));
    const output = fresh();
    for (const [flags, says] of [
      [{ dataPath: undefined }, "--data-path is missing"],
      [{ output: undefined }, "--output is missing"],
      [{ output: join(folder, "output.csv") }, "does not end in .jsonl"],
      [{ from: "share-gpt" }, 'Did you mean "sharegpt"?'],
      [{ from: "parquet" }, "Give one of: sharegpt, alpaca, columns, array."],
      [{ columns: "prompt" }, "is not FIELD=COLUMN"],
      [{ columns: "prompt=question,=answer" }, "is not FIELD=COLUMN"],
      [{ columns: "prompt=question", from: "alpaca" }, "but the format is alpaca"],
      [{ limit: "ten" }, "--limit is"],
      [{ limit: "0" }, "at least 1"],
      [{ offset: "-1" }, "--offset is"],
    ] as const) {
      const { exitCode, stderr } = await convert(input, output, flags);
      expect(exitCode, stderr).to.equal(2);
      expect(stderr)
        .to.match(/^Error: .+\n.+\n$/)
        .and.contain(says);
    }
    expect(existsSync(output)).to.equal(false);
  });

  it("names the flag if the columns are not recognized", async () => {
    const { exitCode, stderr } = await convert(write(".csv", "a,b\nc,d\n"), fresh());
    expect(exitCode).to.equal(2);
    expect(stderr).to.contain('(columns: "a", "b")').and.contain("--columns prompt=<COLUMN>");
  });
});
