import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect } from "chai";
import { after, describe, it } from "mocha";
import { detectFormat } from "../../../../../provider/steps/parts/detectFormat.ts";
import type { DatasetKind } from "../../../../../sdk/dataset/formats/DatasetRow.ts";

const EXAMPLES = resolve(import.meta.dirname, "../../../../provider/trainer/tests/examples");

describe("detectFormat", () => {
  const folder = mkdtempSync(join(tmpdir(), "anneal-format-"));
  after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "dataset");
  const detect = (content: string | Uint8Array, kind: DatasetKind) => {
    writeFileSync(path, content);
    return detectFormat(path, kind);
  };

  it("knows the examples of every kind by their first bytes alone", async () => {
    const expected = JSON.parse(readFileSync(join(EXAMPLES, "expected.json"), "utf8"));
    for (const [name, { kind }] of Object.entries<{ kind: DatasetKind }>(expected)) {
      const content = readFileSync(join(EXAMPLES, name));
      expect(await detect(content, kind), name).to.equal(name.slice(name.indexOf(".") + 1));
    }
  });

  it("reads on by the kind of model, so that a file of another kind is refused by its reader", async () => {
    const zip = readFileSync(join(EXAMPLES, "images.zip"));
    expect(await detect(zip, "causal-lm")).to.equal("jsonl");
    expect(await detect(zip, "text-classification")).to.equal("csv");
    expect(await detect('{"text":"a"}\n', "image-classification")).to.equal("tar");
    expect(await detect("", "causal-lm")).to.equal("jsonl");
  });
});
