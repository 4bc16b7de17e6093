import { statSync } from "node:fs";
import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import {
  type CountOptions,
  countDataset,
} from "../../../../../sdk/dataset/counting/countDataset.ts";
import { jsonl, temporaryFolder } from "../temporaryFolder.ts";
import { WORD_TOKENIZER } from "../wordTokenizer.ts";

const WORDS = {
  ...WORD_TOKENIZER,
  added_tokens: [
    { id: 1, content: "<end>", special: true, normalized: false },
    { id: 2, content: "<turn>", special: true, normalized: false },
  ],
  normalizer: null,
  post_processor: {
    type: "TemplateProcessing",
    single: [
      { SpecialToken: { id: "<cls>", type_id: 0 } },
      { Sequence: { id: "A", type_id: 0 } },
      { SpecialToken: { id: "<sep>", type_id: 0 } },
    ],
    special_tokens: { "<cls>": { ids: [3] }, "<sep>": { ids: [4] } },
  },
};
const CONFIG = {
  eos_token: { content: "<end>" },
  chat_template:
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}<turn> {{ m.content }} {% endfor %}",
};

describe("countDataset", () => {
  const { write } = temporaryFolder();
  const count = async (
    rows: unknown[],
    options: Partial<CountOptions> = {},
    parts: object = {},
  ) => {
    const tokenizer = { tokenizer: { ...WORDS, ...parts }, tokenizerConfig: CONFIG };
    const path = write(".jsonl", jsonl(...rows));
    return countDataset(path, { kind: "causal-lm", unit: "token", tokenizer, ...options });
  };
  const tokens = async (...args: Parameters<typeof count>) =>
    Number((await count(...args)).dataSize);
  const refusal = (...args: Parameters<typeof count>) => count(...args).catch((error) => error);

  it("puts the tokenizer's start and one end token around a text", async () => {
    expect(await tokens([{ text: "one two" }, { text: "three" }])).to.equal(4 + 3);
    expect(await tokens([{ text: "<cls> one two" }])).to.equal(4);
  });

  it("encodes prompt and completion together", async () => {
    expect(await tokens([{ prompt: "one two", completion: " three" }])).to.equal(5);
  });

  it("encodes them separately if the prompt has other tokens alone", async () => {
    expect(await tokens([{ prompt: "on", completion: "ce" }])).to.equal(4);
  });

  it("counts an instruction and its input as a prompt", async () => {
    const row = { instruction: "one", input: "two", output: "three" };
    expect(await tokens([row, { ...row, input: "" }])).to.equal(5 + 4);
  });

  it("counts a conversation as its template writes it", async () => {
    const messages = [
      { role: "user", content: "one two" },
      { role: "assistant", content: "three" },
    ];
    expect(await tokens([{ messages }])).to.equal(5);
  });

  it("counts control tokens that people wrote as text", async () => {
    const messages = [
      { role: "user", content: "one <end> two" },
      { role: "assistant", content: "three" },
    ];
    // "<" and "end>" are two words.
    expect(await tokens([{ messages }])).to.equal(7);
  });

  it("counts a classified text with the special tokens around it", async () => {
    const kind = "text-classification";
    expect(await tokens([{ text: "one two", label: "x" }], { kind })).to.equal(4);
  });

  it("counts bytes as the size of the file, without a tokenizer", async () => {
    const path = write(".jsonl", "\ufeff" + '{"text":"é"}\r\n\n');
    const options = { kind: "causal-lm", unit: "byte" } as const;
    const { size } = statSync(path);
    expect(await countDataset(path, options)).to.deep.equal({
      rows: 1,
      format: "text",
      bytes: size,
      dataSize: BigInt(size),
    });
  });

  it("is the sum of its rows, in any order", async () => {
    const row = fc.record({ text: fc.string({ unit: "binary", minLength: 1 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 6 }), async (rows) => {
        const each = await Promise.all(rows.map((row) => tokens([row])));
        const sum = each.reduce((total, one) => total + one);
        expect(await tokens(rows)).to.equal(sum);
        expect(await tokens(rows.toReversed())).to.equal(sum);
      }),
      { numRuns: 25 },
    );
  });

  it("refuses an invalid dataset for either unit", async () => {
    for (const unit of ["byte", "token"] as const) {
      const error = await refusal([{ text: "a" }, { text: "" }], { unit });
      expect(error).to.include({ code: "dataset-invalid", exitCode: 3 });
      expect(error.message).to.match(/:2: text is empty\.$/);
    }
  });

  it("reports the conversation that the template refuses", async () => {
    const messages = [
      { role: "system", content: "s" },
      { role: "assistant", content: "a" },
    ];
    const error = await refusal([{ messages }]);
    expect(error.code).to.equal("dataset-invalid");
    expect(error.message).to.match(
      /:1: The chat template refuses the messages \(.*no system.*\)\.$/,
    );
  });

  it("reports a missing chat template or end token", async () => {
    const tokenizer = { tokenizer: WORDS, tokenizerConfig: {} };
    const messages = [{ role: "assistant", content: "a" }];
    expect((await refusal([{ messages }], { tokenizer })).message).to.contain("no chat template");
    expect((await refusal([{ text: "a" }], { tokenizer })).message).to.contain("no end token");
    const labelled = { tokenizer, kind: "text-classification" } as const;
    expect(await tokens([{ text: "a", label: "x" }], labelled)).to.equal(3);
  });

  it("requires a tokenizer to count tokens", async () => {
    const path = write(".jsonl", jsonl({ text: "a" }));
    const error = await countDataset(path, { kind: "causal-lm", unit: "token" }).catch((e) => e);
    expect(error.code).to.equal("usage");
  });

  it("refuses tokenizers with which it cannot count exactly, rather than guess", async () => {
    const possessive = { type: "Split", pattern: { Regex: "\\p{L}++" }, behavior: "Isolated" };
    const both = { type: "Split", pattern: { Regex: "\\p{L}|[一-龥]" }, behavior: "Isolated" };
    for (const parts of [
      { normalizer: { type: "Precompiled", precompiled_charsmap: "" } },
      { normalizer: { type: "Sequence", normalizers: [{ type: "Nmt" }] } },
      { pre_tokenizer: { type: "UnicodeScripts" } },
      { pre_tokenizer: possessive },
      { pre_tokenizer: both },
      { post_processor: { type: "Unheard" } },
      { model: { type: "Unigram", vocab: [] } },
      { model: { type: "BPE", vocab: {}, merges: [], dropout: 0.1 } },
    ]) {
      const error = await refusal([{ text: "a" }], {}, parts);
      expect(error.code, JSON.stringify(parts)).to.equal("usage");
      expect(error.message).to.match(/^The model's tokenizer uses .* cannot be counted exactly\.$/);
    }
  });

  it("reads ordinary patterns with braces, escapes and plus signs", async () => {
    const Regex = "[*+]+|\\p{L}+|\\p{N}{1,3}|\\++|\\s+";
    const pre_tokenizer = {
      type: "Split",
      pattern: { Regex },
      behavior: "Isolated",
      invert: false,
    };
    expect(await tokens([{ text: "ab++1234 " }], {}, { pre_tokenizer })).to.equal(5 + 2);
  });
});
