import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { before, describe, it } from "mocha";
import { jsonl, temporaryFolder } from "./temporaryFolder.ts";
import {
  EXAMPLES,
  expectAgreement,
  type File,
  makeTinyModels,
  skipWithoutTrainer,
} from "./trainer.ts";

/** All files are generated first and checked by one process of the trainer. */
const SEED = 20240229;
const draw = <T>(arbitrary: fc.Arbitrary<T>, numRuns: number) =>
  fc.sample(arbitrary, { seed: SEED, numRuns });

describe("checkDataset, countDataset and the trainer", () => {
  const { folder, write } = temporaryFolder();
  before(function () {
    skipWithoutTrainer(this);
    makeTinyModels(folder);
  });

  async function expectHalfway(files: readonly File[]): Promise<void> {
    const { sound } = await expectAgreement(files);
    // Neither all valid nor all invalid: both halves of the claim were tested.
    expect(sound).to.be.within(files.length * 0.2, files.length * 0.95);
  }

  it("agree on random preference pairs and answers with labels", async () => {
    const text = fc.string({ unit: "binary", maxLength: 6 });
    const message = fc.record({
      role: fc.constantFrom("user", "assistant", "assistant", "system"),
      content: fc.oneof({ weight: 9, arbitrary: text.filter(Boolean) }, text),
    });
    const messages = fc.array(message, { minLength: 1, maxLength: 3 });
    const texts = fc.record({ prompt: text, chosen: text, rejected: text });
    const lists = fc.record({ prompt: messages, chosen: messages, rejected: messages });
    const outputs = fc.record({
      input: fc.record({ messages }),
      preferred_output: messages,
      non_preferred_output: messages,
    });
    const label = fc.oneof(
      { weight: 9, arbitrary: fc.boolean() },
      fc.constantFrom(null, 1, 0, "true"),
    );
    const answered = (part: fc.Arbitrary<unknown>) =>
      fc.record({ prompt: part, completion: part, label });
    const file = fc.oneof(
      fc.array(fc.oneof(texts, { weight: 3, arbitrary: lists }), { minLength: 1, maxLength: 2 }),
      fc.array(outputs, { minLength: 1, maxLength: 2 }),
      fc.array(fc.oneof(answered(text), answered(messages)), { minLength: 1, maxLength: 2 }),
    );
    await expectHalfway(
      draw(file, 120).map((rows) => ({
        path: write(".jsonl", jsonl(...rows)),
        kind: "causal-lm",
        model: join(folder, "tiny-qwen2"),
      })),
    );
  });

  it("agree on random tables of token ids", async () => {
    const id = fc.oneof(
      { weight: 30, arbitrary: fc.integer({ min: 0, max: 1535 }) },
      fc.constantFrom(-1, 1536, null),
    );
    const row = fc
      .record({
        ids: fc.array(id, { minLength: 1, maxLength: 6 }),
        left: fc.nat(2),
        right: fc.nat(2),
        flip: fc.oneof({ weight: 20, arbitrary: fc.constant(null) }, fc.nat(5)),
        short: fc.boolean(),
      })
      .map(({ ids, left, right, flip, short }) => {
        const pad = <T>(values: T[], filling: T) => [
          ...Array<T>(left).fill(filling),
          ...values,
          ...Array<T>(right).fill(filling),
        ];
        const mask = pad(Array(ids.length).fill(1), 0);
        const labels = pad(
          ids.map((value, n) => (n % 2 ? -100 : value)),
          -100,
        );
        if (flip !== null && flip < mask.length) mask[flip] = 1 - mask[flip]!;
        if (flip === 5) labels[0] = 7;
        if (flip === 4 && short) labels.pop();
        return { input_ids: pad(ids, 9), attention_mask: mask, labels };
      });
    const table = fc.record({
      rows: fc.array(row, { minLength: 1, maxLength: 9 }),
      columns: fc.subarray(["attention_mask", "labels"] as const),
    });
    await expectHalfway(
      draw(table, 300).map(({ rows, columns }, n) => ({
        path: join(folder, `tokens-${n}.parquet`),
        kind: "causal-lm",
        model: join(folder, "tiny-qwen2"),
        columns: Object.fromEntries(
          (["input_ids", ...columns] as const).map((name) => [name, rows.map((row) => row[name])]),
        ),
      })),
    );
  });

  describe("agree on archives", () => {
    const png = readFileSync(join(EXAMPLES, "parts/square.png"));
    const jpeg = readFileSync(join(EXAMPLES, "parts/square.jpg"));
    /** An image, sometimes with some of its bytes changed or missing. */
    const image = fc
      .record({
        whole: fc.constantFrom(png, jpeg),
        damage: fc.oneof(
          { weight: 25, arbitrary: fc.constant([]) },
          fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(255)), {
            minLength: 1,
            maxLength: 3,
          }),
        ),
        kept: fc.oneof({ weight: 40, arbitrary: fc.constant(1) }, fc.constantFrom(0, 0.5, 0.95)),
      })
      .map(({ whole, damage, kept }) => {
        const content = Buffer.from(whole);
        for (const [place, value] of damage) {
          content[Math.floor(place * (content.length - 1))] = value;
        }
        return content.subarray(0, Math.ceil(kept * content.length)).toString("base64");
      });
    const word = fc.oneof(
      fc.constantFrom("a", "b", "c", "1", "2", "\u00e9", "e\u0301", "名前", "x y"),
      fc.string({ unit: "grapheme", minLength: 1, maxLength: 130 }),
    );
    const path = fc.oneof(
      { weight: 25, arbitrary: fc.tuple(word, word).map((parts) => parts.join("/")) },
      fc.tuple(word, word).map((parts) => `./${parts.join("/")}`),
      fc.constantFrom("top.png", "a/b/c", "../a/b", "/a/b", "a\\b", ".DS_Store", "a/._b", "a//b"),
      fc.constantFrom("__MACOSX/a/b", "a/Thumbs.db", "a/.", "a/..", "C:/a", "a/Icon\r", "../._a"),
    );
    const folders = fc.uniqueArray(fc.tuple(path, image), {
      selector: ([name]) => name,
      minLength: 2,
      maxLength: 8,
    });
    /** All in one top folder, in none, or some here and some there. */
    const entries = fc
      .tuple(folders, fc.constantFrom([""], [""], ["top/"], ["./top/"], ["top/", "top/", "", "t/"]))
      .map(([entries, tops]) =>
        entries.map(([name, content], n) => [`${tops[n % tops.length]}${name}`, content] as const),
      );
    for (const ending of [".zip", ".tar", ".tar.gz"]) {
      it(`as ${ending}`, () =>
        expectHalfway(
          draw(entries, 250).map((entries, n) => ({
            path: join(folder, `images-${n}${ending}`),
            kind: "image-classification",
            model: join(folder, "tiny-mobilenet-v2"),
            entries,
          })),
        ));
    }
  });
});
