import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect } from "chai";
import { after, describe, it } from "mocha";
import type { DatasetKind } from "../../../../../sdk/dataset/formats/DatasetRow.ts";
import { detectFormat, namedFormat } from "../../../../../sdk/dataset/formats/detectFormat.ts";

const EXAMPLES = resolve(import.meta.dirname, "../../../../../provider/trainer/tests/examples");

describe("detectFormat", () => {
  const folder = mkdtempSync(join(tmpdir(), "anneal-format-"));
  after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "dataset");
  const detect = (content: string | Uint8Array, kind?: DatasetKind) => {
    writeFileSync(path, content);
    return detectFormat(path, kind);
  };

  it("recognizes the examples of every kind by their first bytes alone", async () => {
    const expected = JSON.parse(readFileSync(join(EXAMPLES, "expected.json"), "utf8"));
    for (const [name, { kind }] of Object.entries<{ kind: DatasetKind }>(expected)) {
      const content = readFileSync(join(EXAMPLES, name));
      const format = name.slice(name.indexOf(".") + 1);
      expect(await detect(content, kind), name).to.equal(format);
      expect(await detect(content), name).to.equal(format);
      expect(namedFormat(name), name).to.equal(format);
    }
  });

  it("skips a byte order mark, and falls back to a table", async () => {
    for (const kind of ["text-classification", undefined] as const) {
      expect(await detect('\ufeff {"text":"a"}\n', kind)).to.equal("jsonl");
      expect(await detect("\ufefflabel\ttext\n", kind)).to.equal("tsv");
      expect(await detect("", kind)).to.equal("csv");
    }
    expect(namedFormat("data.txt")).to.equal(undefined);
  });

  it("prefers formats of the model's kind, so that a file of another kind is refused by its reader", async () => {
    const zip = readFileSync(join(EXAMPLES, "images.zip"));
    expect(await detect(zip, "causal-lm")).to.equal("jsonl");
    expect(await detect(zip, "text-classification")).to.equal("csv");
    expect(await detect('{"text":"a"}\n', "image-classification")).to.equal("tar");
    expect(await detect("", "causal-lm")).to.equal("jsonl");
  });
});
