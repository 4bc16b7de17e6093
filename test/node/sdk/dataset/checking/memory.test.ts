import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";
import { checkDataset } from "../../../../../sdk/dataset/checking/checkDataset.ts";
import { countDataset } from "../../../../../sdk/dataset/counting/countDataset.ts";
import { temporaryFolder } from "../temporaryFolder.ts";
import { WORD_TOKENIZER } from "../wordTokenizer.ts";

const tokenizer = {
  tokenizer: WORD_TOKENIZER,
  tokenizerConfig: { eos_token: "<unk>" },
};
const ROWS = 430;
const TEXT = `${"w".repeat(199)} `.repeat(200).trim();
const large = (last: string) =>
  [...Array(ROWS - 1).fill(TEXT), last]
    .map((text, n) => JSON.stringify({ text: `${n} ${text}` }))
    .join("\n");

describe("what commands remember about large datasets", () => {
  const { folder, write } = temporaryFolder();
  const memory = join(folder, "memory");
  const entries = () => readdirSync(memory).map((name) => join(memory, name));
  const options = { kind: "causal-lm", tokenizer, memory } as const;

  it("is the report and the count of the same bytes, under any path", async () => {
    const first = write(".jsonl", large("one  two"));
    const report = await checkDataset(first, options);
    expect(report).to.deep.include({ rows: ROWS, errors: 0 });
    expect(entries()).to.have.lengthOf(2);
    // Marked answers: whoever gets them did not read the file again.
    for (const entry of entries()) {
      const text = readFileSync(entry, "utf8");
      writeFileSync(entry, text.replace(`"rows":${ROWS}`, '"rows":7'));
    }
    const second = write(".jsonl", large("one  two"));
    expect(await checkDataset(second, options)).to.deep.include({ ...report, rows: 7 });
    const counted = await countDataset(second, { ...options, unit: "token" });
    expect(counted).to.deep.include({ rows: 7, dataSize: BigInt(report.size!.tokens) });
  });

  it("is not taken for another dataset, another treatment or another tokenizer", async () => {
    const other = await checkDataset(write(".jsonl", large("one two three")), options);
    expect(other.rows).to.equal(ROWS);
    const path = write(".jsonl", large("one  two"));
    expect((await checkDataset(path, { ...options, maxLength: 9 })).rows).to.equal(ROWS);
    const tokenizerConfig = { eos_token: "<unk>", pad_token: "<unk>" };
    const changed = { ...options, tokenizer: { ...tokenizer, tokenizerConfig } };
    expect((await checkDataset(path, changed)).rows).to.equal(ROWS);
  });

  it("is read again if it is damaged", async () => {
    for (const entry of entries()) writeFileSync(entry, "{");
    const path = write(".jsonl", large("one  two"));
    expect((await checkDataset(path, options)).rows).to.equal(ROWS);
  });

  it("names the present path in problems", async () => {
    const broken = `${large("x")}\n{"text": ""}\n`;
    await checkDataset(write(".jsonl", broken), options);
    const path = write(".jsonl", broken);
    const { problems } = await checkDataset(path, options);
    expect(problems.map(({ file, line }) => [file, line])).to.deep.equal([[path, ROWS + 1]]);
  });

  it("is nothing about small datasets", async () => {
    const before = entries().length;
    await checkDataset(write(".jsonl", '{"text": "a"}\n'), options);
    expect(entries()).to.have.lengthOf(before);
  });
});
