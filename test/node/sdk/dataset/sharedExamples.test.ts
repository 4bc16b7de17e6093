import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect } from "chai";
import { before, describe, it } from "mocha";
import { checkDataset } from "../../../../sdk/dataset/checking/checkDataset.ts";
import { countDataset } from "../../../../sdk/dataset/counting/countDataset.ts";
import type { DatasetKind } from "../../../../sdk/dataset/formats/DatasetRow.ts";
import { temporaryFolder } from "./temporaryFolder.ts";
import {
  EXAMPLES,
  makeTinyModels,
  readTokenizer,
  skipWithoutTrainer,
  withoutReason,
} from "./trainer.ts";

interface Valid {
  readonly kind: DatasetKind;
  readonly model: string;
  readonly rows: number;
  readonly bytes: number;
  readonly tokens: number;
  readonly labels?: string[];
}

interface Invalid {
  readonly kind: DatasetKind;
  readonly line?: number;
  /** Path of the entry in an archive. */
  readonly entry?: string;
  /** What a library adds is replaced by "…". */
  readonly message: string;
  readonly hint: string;
}

const expectations = <T>(folder: string): [string, T][] =>
  Object.entries(JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")));
const VALID = expectations<Valid>(EXAMPLES);
const INVALID = expectations<Invalid>(join(EXAMPLES, "invalid"));

/** A vocabulary of the same size as the trainer's tiny-qwen2, without its words. */
const VOCABULARY = {
  tokenizer: { model: { type: "BPE", vocab: { last: 1535, end: 0 }, merges: [] } },
  tokenizerConfig: { eos_token: "end", chat_template: "{{ messages }}" },
};

describe("the examples shared with the trainer", () => {
  for (const [name, { kind, rows, bytes, labels = [] }] of VALID) {
    it(`${name} is valid, with the trainer's rows, bytes and labels`, async () => {
      const path = join(EXAMPLES, name);
      expect(await checkDataset(path, { kind })).to.deep.include({ errors: 0, rows, labels });
      const count = await countDataset(path, { kind, unit: "byte" });
      expect(count).to.deep.include({ rows, bytes, dataSize: BigInt(bytes) });
    });
  }

  for (const [name, { kind, line, entry, message, hint }] of INVALID) {
    it(`${name} is invalid at ${entry ?? line}, in the trainer's words`, async () => {
      const path = join(EXAMPLES, "invalid", name);
      const { problems } = await checkDataset(path, {
        kind,
        ...(name.endsWith(".parquet") && { tokenizer: VOCABULARY }),
      });
      const first = problems.find(({ severity }) => severity === "error");
      expect(first && basename(first.file)).to.equal(name);
      expect(first!.entry ?? first!.line).to.equal(entry ?? line);
      expect(withoutReason(first!.message)).to.equal(message);
      expect(first!.hint).to.equal(hint);
    });
  }

  it("has no file without an expectation", () => {
    const names = readdirSync(join(EXAMPLES, "invalid"));
    expect(names.sort()).to.deep.equal([...INVALID.map(([name]) => name), "expected.json"].sort());
  });

  describe("with the trainer's tiny models", () => {
    const { folder } = temporaryFolder();
    before(function () {
      skipWithoutTrainer(this);
      makeTinyModels(folder);
    });

    for (const [name, { kind, model, rows, bytes, tokens }] of VALID) {
      it(`${name} has ${tokens} tokens`, async () => {
        const isText = kind !== "image-classification";
        const tokenizer = isText ? readTokenizer(join(folder, model)) : undefined;
        const options = { kind, unit: "token", ...(tokenizer && { tokenizer }) } as const;
        const count = await countDataset(join(EXAMPLES, name), options);
        expect(count).to.deep.include({ rows, bytes, dataSize: BigInt(tokens) });
      });
    }
  });
});
