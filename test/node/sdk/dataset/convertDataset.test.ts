import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { checkDataset } from "../../../../sdk/dataset/checkDataset.ts";
import { type ConvertOptions, convertDataset } from "../../../../sdk/dataset/convertDataset.ts";
import { jsonl, temporaryFolder } from "./temporaryFolder.ts";

describe("convertDataset", () => {
  const { folder, write } = temporaryFolder();
  const output = join(folder, "output.jsonl");
  const convert = async (ending: string, content: string, options: ConvertOptions) => {
    const { rows } = await convertDataset(write(ending, content), output, options);
    const lines = readFileSync(output, "utf8").split("\n").slice(0, -1);
    expect(lines).to.have.lengthOf(rows);
    return lines.map((line) => JSON.parse(line));
  };

  it("renames the keys of JSONL and drops the others", async () => {
    const content = jsonl(
      { id: 1, question: "a", answer: "b" },
      { id: 2, question: "c", answer: "d" },
    );
    const fields = { prompt: "question", completion: "answer" };
    expect(await convert(".jsonl", content, { fields })).to.deep.equal([
      { prompt: "a", completion: "b" },
      { prompt: "c", completion: "d" },
    ]);
    expect(await checkDataset(output, { kind: "causal-lm" })).to.include({ rows: 2, errors: 0 });
  });

  it("takes named columns of CSV and TSV", async () => {
    const fields = { text: "sentence", label: "class" };
    const rows = [{ text: "a, b", label: "x" }];
    expect(await convert(".csv", 'n,class,sentence\r\n1,x,"a, b"\r\n', { fields })).to.deep.equal(
      rows,
    );
    expect(await convert(".tsv", "n\tclass\tsentence\n1\tx\ta, b\n", { fields })).to.deep.equal(
      rows,
    );
  });

  it("takes numbered columns of a file without header", async () => {
    const fields = { text: 1, label: 0 };
    expect(await convert(".tsv", '1\t"a\n0\tb', { fields })).to.deep.equal([
      { text: '"a', label: "1" },
      { text: "b", label: "0" },
    ]);
    expect(await checkDataset(output, { kind: "text-classification" })).to.include({ errors: 0 });
  });

  it("takes any part of the file", async () => {
    const texts = Array.from({ length: 20 }, (_, n) => ({ t: `row ${n}` }));
    const fields = { text: "t" };
    await fc.assert(
      fc.asyncProperty(fc.nat(25), fc.nat(25), async (offset, limit) => {
        const rows = await convert(".jsonl", jsonl(...texts), { fields, offset, limit });
        const expected = texts.slice(offset, offset + limit);
        expect(rows).to.deep.equal(expected.map(({ t }) => ({ text: t })));
      }),
      { numRuns: 30 },
    );
  });

  it("names the row that lacks a field, or cannot be read", async () => {
    const fields = { text: "t" };
    for (const [ending, content, line] of [
      [".jsonl", '{"t":"a"}\n{"x":"b"}\n', 2],
      [".jsonl", '{"t":"a"}\nnull\n', 2],
      [".jsonl", "nonsense\n", 1],
      [".csv", 't,u\n1,2\n"3\n', 3],
      [".tsv", "a\tb\n1\t2\n", 2],
    ] as const) {
      const error = await convert(ending, content, { fields }).catch((e) => e);
      expect(error.code, content).to.equal("dataset-invalid");
      expect(error.message).to.contain(`${ending}:${line}: `);
    }
  });
});
