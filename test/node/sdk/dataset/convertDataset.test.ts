import { execFileSync } from "node:child_process";
import { existsSync, linkSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { checkDataset } from "../../../../sdk/dataset/checking/checkDataset.ts";
import { type ConvertOptions, convertDataset } from "../../../../sdk/dataset/convertDataset.ts";
import { rejection } from "../../../helpers/rejection.ts";
import { jsonl, temporaryFolder } from "./temporaryFolder.ts";

describe("convertDataset", () => {
  const { folder, write } = temporaryFolder();
  const output = join(folder, "output.jsonl");
  const convert = async (ending: string, content: string, options: ConvertOptions) => {
    const input = write(ending, content);
    const { rows } = await convertDataset(input, output, { force: true, ...options });
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
      fc.asyncProperty(fc.nat(19), fc.integer({ min: 1, max: 25 }), async (offset, limit) => {
        const rows = await convert(".jsonl", jsonl(...texts), { fields, offset, limit });
        const expected = texts.slice(offset, offset + limit);
        expect(rows).to.deep.equal(expected.map(({ t }) => ({ text: t })));
      }),
      { numRuns: 30 },
    );
  });

  const fields = { text: "t" };
  const refusal = (input: string, target = output, options: object = {}) =>
    rejection(convertDataset(input, target, { fields, ...options }));

  it("never writes over its input, whatever it is called and whatever is forced", async () => {
    const content = jsonl({ t: "a" });
    const input = write(".jsonl", content);
    const other = join(folder, "hard-link.jsonl");
    linkSync(input, other);
    for (const target of [input, other]) {
      const { code, message } = await refusal(input, target, { force: true });
      expect(code).to.equal("usage");
      expect(message).to.contain("would destroy it");
    }
    expect(readFileSync(input, "utf8")).to.equal(content);
  });

  it("replaces another file only with --force", async () => {
    const target = write(".jsonl", "mine");
    const input = write(".jsonl", jsonl({ t: "a" }));
    expect((await refusal(input, target)).next).to.deep.equal({ parameter: "force" });
    expect(readFileSync(target, "utf8")).to.equal("mine");
    await convertDataset(input, target, { fields, force: true });
    expect(readFileSync(target, "utf8")).to.equal('{"text":"a"}\n');
  });

  it("leaves nothing behind, and an existing file unchanged, if a row is invalid or there are none", async () => {
    for (const [content, options] of [
      ['{"t":"a"}\n{"x":"b"}\n', {}],
      ["\n", {}],
      [jsonl({ t: "a" }), { offset: 1 }],
      [jsonl({ t: "a" }), { limit: 0 }],
    ] as const) {
      const input = write(".jsonl", content);
      const target = write(".jsonl", "mine");
      const fresh = join(folder, "fresh.jsonl");
      expect((await refusal(input, target, { force: true, ...options })).code).to.equal(
        "dataset-invalid",
      );
      await refusal(input, fresh, options);
      expect(readFileSync(target, "utf8")).to.equal("mine");
      expect(existsSync(fresh) || existsSync(`${fresh}.part`)).to.equal(false);
    }
  });

  it("writes JSON lines only to .jsonl files", async () => {
    for (const ending of [".csv", ".tsv", ".json", ""]) {
      const { code, message } = await refusal(write(".jsonl", "{}"), join(folder, `out${ending}`));
      expect(code).to.equal("usage");
      expect(message).to.contain("does not end in .jsonl");
    }
  });

  it("explains how to convert a JSON array to lines, with a command that works", async () => {
    const rows = [{ t: "a" }, { t: "b\nc" }];
    for (const ending of [".json", ".jsonl"]) {
      for (const space of [0, 2]) {
        const input = write(ending, JSON.stringify(rows, null, space));
        const { code, hint } = await refusal(input, join(folder, "array.jsonl"));
        expect(code).to.equal("usage");
        const [, command, lines] = /: (node .* > (.*))$/.exec(hint)!;
        execFileSync("bash", ["-c", command!], { cwd: folder });
        expect(readFileSync(join(folder, lines!), "utf8")).to.equal(jsonl(...rows));
      }
    }
  });

  it("says which extension a file needs", async () => {
    const { code, hint } = await refusal(write(".txt", "a\tb\n"));
    expect(code).to.equal("usage");
    expect(hint).to.contain(".tsv for fields with tabs");
  });

  it("names the row that lacks a field or cannot be read", async () => {
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
