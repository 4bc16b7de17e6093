import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { before, describe, it } from "mocha";
import { countDataset } from "../../../../sdk/dataset/counting/countDataset.ts";
import type { DatasetKind } from "../../../../sdk/dataset/formats/DatasetRow.ts";
import type { TokenizerDocument } from "../../../../sdk/dataset/tokenizer/TokenizerDocument.ts";
import { jsonl, temporaryFolder } from "./temporaryFolder.ts";
import { countByTrainer, makeTinyModels, readTokenizer, skipWithoutTrainer } from "./trainer.ts";

/** Both sides count each file as a whole, so that Python starts once for thousands of texts. */
const SEED = 20240229;

/** Characters on which tokenizers are known to disagree. */
const range = (from: number, to: number) =>
  fc.integer({ min: from, max: to }).map((code) => String.fromCodePoint(code));
const pools = [
  fc.constantFrom(..."abcSTREvmLdK  \t\r\n'.,!?$1239ſK"),
  fc.constantFrom(..."\ufeff\u0085\u00a0\u2028\u3000\u200b\u001c\0 x"),
  fc.constantFrom(
    "Σ",
    "ΑΣ",
    "İ",
    "ß",
    "ﬁ",
    "é",
    "e\u0301",
    "\u1e9b\u0323",
    "각",
    "\u1100\u1161\u11a8",
  ),
  fc.constantFrom("x'ſ", "x'S", "x'll", "x'lS", "can't", "1"),
  fc.constantFrom("<|im_start|>", "<|im_end|>", "<|im_", "[CLS]", "[MASK]", "[cls]", "##ing", "▁"),
  range(0xa0, 0x24f),
  range(0x300, 0x36f),
  range(0x600, 0x97f),
  range(0x4e00, 0x4e20),
  range(0x2b810, 0x2b930),
  range(0x1f300, 0x1faff),
  range(0x11380, 0x113d5),
  range(0x16118, 0x16130),
  fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
];
const text = fc
  .oneof(...pools.map((pool) => fc.array(pool, { maxLength: 25 })), fc.array(fc.oneof(...pools)))
  .map((parts) => `x${parts.join("")}`);
const random = <T>(arbitrary: fc.Arbitrary<T>, numRuns: number) =>
  fc.sample(arbitrary, { seed: SEED, numRuns });

/** Every character of the planes in use, between letters and digits, and very long words. */
const everyCharacter = [
  [0x1, 0x1ffff],
  [0x2a6c0, 0x2ceff],
  [0x2f7f0, 0x2fa2f],
  [0xe0000, 0xe01ff],
].map(([from, to]) => {
  let all = "";
  for (let code = from!; code <= to!; code++) {
    if (code < 0xd800 || code > 0xdfff) all += `a${String.fromCodePoint(code)}1 `;
  }
  return all;
});
const longWords = [99, 100, 101, 20_000].flatMap((n) => [
  "a".repeat(n),
  "é".repeat(n),
  "😀".repeat(n),
]);

const split = (Regex: string, behavior = "Isolated", invert = false) => ({
  type: "Split",
  pattern: { Regex },
  behavior,
  invert,
});
const byteLevel = (use_regex: boolean, add_prefix_space = false) => ({
  type: "ByteLevel",
  add_prefix_space,
  trim_offsets: false,
  use_regex,
});
const sequence = (...pretokenizers: object[]) => ({ type: "Sequence", pretokenizers });
const added = (id: number, content: string, flags: object) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
  ...flags,
});

const QWEN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const O200K =
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const bert = (settings: object) => ({
  type: "BertNormalizer",
  clean_text: false,
  handle_chinese_chars: false,
  strip_accents: null,
  lowercase: false,
  ...settings,
});

/** Parts of real models' tokenizer.json, inserted into that of a tiny model. */
const VARIANTS: Record<string, { base: "tiny-qwen2" | "tiny-distilbert"; parts: object }> = {
  "of Qwen2": {
    base: "tiny-qwen2",
    parts: { normalizer: { type: "NFC" }, pre_tokenizer: sequence(split(QWEN), byteLevel(false)) },
  },
  "of OPT": { base: "tiny-qwen2", parts: { pre_tokenizer: byteLevel(true, true) } },
  "of DeepSeek": {
    base: "tiny-qwen2",
    parts: {
      normalizer: { type: "Sequence", normalizers: [] },
      pre_tokenizer: sequence(
        split("\\p{N}{1,3}"),
        split("[一-龥぀-ゟ゠-ヿ]+"),
        split("[ࠀ-一가-퟿]+"),
        split("[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s+"),
        byteLevel(false),
      ),
    },
  },
  "with classes of letter case and NFKC": {
    base: "tiny-qwen2",
    parts: {
      normalizer: { type: "NFKC" },
      pre_tokenizer: sequence(split(O200K), byteLevel(false)),
    },
  },
  "with separate punctuation and digits and NFKD": {
    base: "tiny-qwen2",
    parts: {
      normalizer: { type: "NFKD" },
      pre_tokenizer: sequence({ type: "Punctuation", behavior: "Contiguous" }, byteLevel(true), {
        type: "Digits",
        individual_digits: false,
      }),
    },
  },
  "with separate words and NFD": {
    base: "tiny-qwen2",
    parts: {
      normalizer: { type: "NFD" },
      pre_tokenizer: sequence(
        { type: "Whitespace" },
        split("[xa]", "MergedWithPrevious"),
        split("[1 ]", "MergedWithNext", true),
      ),
    },
  },
  "with added tokens of every kind": {
    base: "tiny-qwen2",
    parts: {
      normalizer: { type: "Lowercase" },
      added_tokens: [
        added(5000, "[CLS]", { lstrip: true }),
        added(5001, "1", { rstrip: true }),
        added(5002, "x", { single_word: true }),
        added(5003, "[cls]", { normalized: true, special: false }),
      ],
    },
  },
  "of BERT, cased": {
    base: "tiny-distilbert",
    parts: { normalizer: bert({ clean_text: true, handle_chinese_chars: true }) },
  },
  "of BERT, with only accents stripped": {
    base: "tiny-distilbert",
    parts: { normalizer: bert({ strip_accents: true }) },
  },
};

/** Every piece becomes one unknown token, so that the count shows how the text was split. */
const PIECES = {
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 0,
    vocab: { "[UNK]": 0 },
  },
  post_processor: null,
};

describe("countDataset and the trainer", () => {
  const { folder, write } = temporaryFolder();
  before(function () {
    skipWithoutTrainer(this);
    makeTinyModels(folder);
  });

  const expectEqual = async (model: string, kind: DatasetKind, path: string) => {
    const tokenizer = readTokenizer(join(folder, model));
    const { rows, dataSize } = await countDataset(path, { kind, unit: "token", tokenizer });
    const counted = countByTrainer(join(folder, model), kind, path);
    expect({ rows, tokens: Number(dataSize) }, `${path} with ${model}`).to.deep.equal(counted);
  };
  const writeTexts = (texts: readonly string[], label?: string) =>
    write(".jsonl", jsonl(...texts.map((text) => (label ? { text, label } : { text }))));

  it("count random texts equally", async () => {
    await expectEqual("tiny-qwen2", "causal-lm", writeTexts([...random(text, 3000), ...longWords]));
  });

  it("count random classified texts equally", async () => {
    const path = writeTexts([...random(text, 3000), ...longWords], "x");
    await expectEqual("tiny-distilbert", "text-classification", path);
  });

  it("count random prompts equally", async () => {
    const rows = random(fc.record({ prompt: text, completion: text }), 1000);
    await expectEqual("tiny-qwen2", "causal-lm", write(".jsonl", jsonl(...rows)));
  });

  it("count random CSV equally, quoted and not", async () => {
    const field = fc.oneof(
      text.map((value) => `"${value.replaceAll('"', '""')}"`),
      text.map((value) => value.replace(/[,\r\n]/g, " ")),
    );
    const lines = random(fc.tuple(field, fc.constantFrom("\n", "\r\n", "\r")), 1000);
    const content = lines.map(([value, end]) => `${value},a${end}`).join("");
    const path = write(".csv", `text,label\n${content}`);
    await expectEqual("tiny-distilbert", "text-classification", path);
  });

  describe("whatever the chat template", () => {
    const templates = {
      "of Llama 3":
        "{% for m in messages %}{% set c = '<|im_start|>' + m['role'] + '\n\n' + m['content'] | trim + '<|im_end|>' %}{% if loop.index0 == 0 %}{% set c = bos_token + c %}{% endif %}{{ c }}{% endfor %}",
      "of Llama 2":
        "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' + m.content.strip() + ' [/INST]' }}{% else %}{{ ' ' + m.content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
      "of Qwen 3":
        "{%- for m in messages %}\n    {%- set c = m.content %}\n    {%- if m.role == 'user' and 'can' in c %}\n        {%- set c = c.split('can')[-1].lstrip('\\n ').rstrip('x') %}\n    {%- endif %}\n    {{- m.role + '\\n' + c.strip('\\n') }}\n{%- endfor %}\n",
      "of Zephyr":
        "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n{% else %}\n{{ message['content'] + eos_token }}\n{% endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}",
    };
    const content = fc
      .tuple(fc.constantFrom("", " ", "\n", "\n  ", "\u0085", "\ufeff", "\u001c"), text)
      .map(([edge, value]) => `${edge}${value}${edge}`);
    const messages = random(fc.array(content, { minLength: 2, maxLength: 5 }), 500).map(
      (contents) =>
        contents.map((content, n) => ({ role: n % 2 === 0 ? "user" : "assistant", content })),
    );

    for (const [name, chat_template] of Object.entries(templates)) {
      it(`one ${name}`, async () => {
        const model = `chat ${name}`;
        const { tokenizer, tokenizerConfig } = readTokenizer(join(folder, "tiny-qwen2"));
        const config = { ...tokenizerConfig, chat_template, bos_token: { content: "<s>" } };
        writeModel(model, { tokenizer, tokenizerConfig: config });
        const path = write(".jsonl", jsonl(...messages.map((messages) => ({ messages }))));
        await expectEqual(model, "causal-lm", path);
      });
    }
  });

  describe("split every character equally", () => {
    const texts = [...everyCharacter, ...random(text, 2000)];

    for (const model of ["tiny-qwen2", "tiny-distilbert"] as const) {
      it(`tokenizer ${model}`, () => expectSamePieces(model, `pieces ${model}`, {}));
    }
    for (const [name, { base, parts }] of Object.entries(VARIANTS)) {
      it(name, () => expectSamePieces(base, name, parts));
    }

    async function expectSamePieces(base: string, name: string, parts: object) {
      const { tokenizer, tokenizerConfig } = readTokenizer(join(folder, base));
      writeModel(name, { tokenizer: { ...tokenizer, ...parts, ...PIECES }, tokenizerConfig });
      await expectEqual(name, "text-classification", writeTexts(texts, "x"));
    }
  });

  function writeModel(name: string, { tokenizer, tokenizerConfig }: TokenizerDocument) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "tokenizer.json"), JSON.stringify(tokenizer));
    writeFileSync(join(folder, name, "tokenizer_config.json"), JSON.stringify(tokenizerConfig));
  }
});
