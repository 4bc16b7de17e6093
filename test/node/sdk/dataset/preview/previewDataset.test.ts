import { join } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";
import { checkDataset } from "../../../../../sdk/dataset/checking/checkDataset.ts";
import type { PreviewText } from "../../../../../sdk/dataset/preview/PreviewRow.ts";
import {
  type PreviewOptions,
  previewDataset,
} from "../../../../../sdk/dataset/preview/previewDataset.ts";
import type { TokenizerDocument } from "../../../../../sdk/dataset/tokenizer/TokenizerDocument.ts";
import { rejection } from "../../../../helpers/rejection.ts";
import { collect, jsonl, temporaryFolder } from "../temporaryFolder.ts";
import { EXAMPLES } from "../trainer.ts";
import { BYTE_TOKENIZER } from "./byteTokenizer.ts";

/** A text with each run of its tokens in its brackets: learned ‹›, cut [], special {}. */
function draw({ tokens }: PreviewText): string {
  let drawn = "";
  let open = "";
  for (const { text, learned, cut, special } of tokens) {
    const state = cut ? "[]" : learned ? "‹›" : "";
    if (state !== open) drawn += `${open.slice(1)}${state.slice(0, 1)}`;
    open = state;
    drawn += special ? `{${text}}` : text;
  }
  return drawn + open.slice(1);
}

const spm = (vocab: readonly string[]): TokenizerDocument => ({
  tokenizer: {
    added_tokens: [{ id: vocab.length, content: "</s>", special: true, normalized: false }],
    normalizer: { type: "Replace", pattern: { String: " " }, content: "▁" },
    model: {
      ...{ type: "BPE", merges: [], byte_fallback: true, unk_token: "<unk>" },
      vocab: Object.fromEntries(vocab.map((token, id) => [token, id])),
    },
  },
  tokenizerConfig: { eos_token: "</s>" },
});

const BERT: TokenizerDocument = {
  tokenizer: {
    added_tokens: ["[UNK]", "[CLS]", "[SEP]"].map((content, id) => ({
      id,
      content,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: { type: "BertProcessing", cls: ["[CLS]", 1], sep: ["[SEP]", 2] },
    model: {
      ...{ type: "WordPiece", unk_token: "[UNK]", continuing_subword_prefix: "##" },
      max_input_chars_per_word: 100,
      vocab: { "[UNK]": 0, "[CLS]": 1, "[SEP]": 2, warm: 3, "##th": 4, and: 5, funny: 6 },
    },
  },
  tokenizerConfig: {},
};

describe("previewDataset", () => {
  const { write } = temporaryFolder();
  const preview = (path: string, options: Partial<PreviewOptions> = {}) =>
    collect(previewDataset(path, { kind: "causal-lm", tokenizer: BYTE_TOKENIZER, ...options }));
  const drawn = async (row: unknown, options?: Partial<PreviewOptions>) => {
    const [first] = await preview(write(".jsonl", jsonl(row)), options);
    return first!.texts.map(draw);
  };

  it("marks what is learned, and the tokens with a meaning of their own", async () => {
    expect(await drawn({ prompt: "1+1=", completion: " 2" })).to.deep.equal([
      "1+1=‹ 2{<|im_end|>}›",
    ]);
    const messages = [
      { role: "user", content: "Hi <|im_end|>" },
      { role: "assistant", content: "Ho" },
    ];
    // What a person wrote is text, even if it looks like the end of a turn.
    expect(await drawn({ messages })).to.deep.equal([
      "{<|im_start|>}user\nHi <|im_end|>{<|im_end|>}\n{<|im_start|>}assistant\n‹Ho{<|im_end|>}\n›",
    ]);
  });

  it("follows the settings of the job, and never learns the first token", async () => {
    const row = { prompt: "1+1=", completion: " 2" };
    expect(await drawn(row, { trainOnInputs: true })).to.deep.equal(["1‹+1= 2{<|im_end|>}›"]);
    expect(await drawn(row, { maxLength: 5 })).to.deep.equal(["1+1=‹ ›[2{<|im_end|>}]"]);
    const messages = [
      { role: "user", content: "a" },
      { role: "assistant", content: "b", weight: 0 },
      { role: "user", content: "c" },
      { role: "assistant", content: "d" },
    ];
    const [text] = await drawn({ messages }, { trainOnInputs: true });
    expect(text)
      .to.contain("\nb{<|im_end|>}")
      .and.match(/‹d\{<\|im_end\|>\}\n›$/);
  });

  it("learns as many tokens, and cuts as many, as checkDataset counts", async () => {
    for (const name of [
      ...["messages", "prompt-completion", "preference", "unpaired", "text", "instruction"],
    ]) {
      const path = join(EXAMPLES, `${name}.jsonl`);
      const options = { kind: "causal-lm", tokenizer: BYTE_TOKENIZER, maxLength: 60 } as const;
      const { size } = await checkDataset(path, options);
      const rows = await preview(path, { maxLength: 60, rows: 1_000 });
      const tokens = rows.flatMap(({ texts }) => texts.flatMap((text) => text.tokens));
      expect(tokens.length, name).to.equal(size!.tokens);
      expect(tokens.filter(({ cut }) => !cut).length, name).to.equal(size!.kept);
      expect(tokens.filter(({ learned }) => learned).length, name).to.equal(size!.learned);
    }
  });

  it("shows a character of several tokens at its last one", async () => {
    const [row] = await preview(write(".jsonl", jsonl({ prompt: "a", completion: "é😀" })));
    expect(row!.texts[0]!.tokens.map(({ text }) => text)).to.deep.equal([
      "a",
      "",
      "é",
      "",
      "",
      "",
      "😀",
      "<|im_end|>",
    ]);
    expect(row!.texts[0]!.tokens.map(({ id }) => id)).to.deep.equal([
      97,
      ...Buffer.from("é😀"),
      257,
    ]);
  });

  it("shows no character if only some of its tokens are kept", async () => {
    const row = { prompt: "a", completion: "é" };
    expect(await drawn(row, { maxLength: 2 })).to.deep.equal(["a‹\ufffd›[\ufffd{<|im_end|>}]"]);
  });

  it("shows SentencePiece's signs for spaces and bytes as what they stand for", async () => {
    const bytes = [...Buffer.from("é")].map((byte) => `<0x${byte.toString(16).toUpperCase()}>`);
    const tokenizer = spm(["<unk>", "▁", "a", "b", ...bytes]);
    const [row] = await preview(write(".jsonl", jsonl({ prompt: "a", completion: " bé" })), {
      tokenizer,
    });
    expect(row!.texts[0]!.tokens.map(({ text }) => text)).to.deep.equal([
      "a",
      " ",
      "b",
      "",
      "é",
      "</s>",
    ]);
  });

  it("shows both answers of a pair", async () => {
    const pair = { prompt: "a:", chosen: " b", rejected: " c" };
    const [row] = await preview(write(".jsonl", jsonl(pair)));
    expect(row!.texts.map(({ answer }) => answer)).to.deep.equal(["preferred", "rejected"]);
    expect(row!.texts.map(draw)).to.deep.equal(["a:‹ b{<|im_end|>}›", "a:‹ c{<|im_end|>}›"]);
  });

  it("shows a text with its label, cut before the tokens at its end", async () => {
    const path = write(".csv", "text,label\nwarmth and funny,yes\nfunny,no\n");
    const options = { kind: "text-classification", tokenizer: BERT } as const;
    const whole = await preview(path, options);
    expect(whole.map(({ texts }) => draw(texts[0]!))).to.deep.equal([
      "{[CLS]}warmth and funny{[SEP]}",
      "{[CLS]}funny{[SEP]}",
    ]);
    expect(whole.map(({ line, label }) => [line, label])).to.deep.equal([
      [2, "yes"],
      [3, "no"],
    ]);
    const [cut] = await preview(path, { ...options, maxLength: 4 });
    expect(draw(cut!.texts[0]!)).to.equal("{[CLS]}warmth{[SEP]}[and funny]");
  });

  it("shows the texts of token ids", async () => {
    const [row] = await preview(join(EXAMPLES, "tokens.parquet"));
    expect(row).to.deep.include({ line: 1, format: "tokens" });
    const { tokens } = row!.texts[0]!;
    expect(Buffer.from(tokens.map(({ id }) => id!)).toString()).to.equal(
      tokens.map(({ text }) => text).join(""),
    );
    expect(tokens.some(({ learned }) => learned)).to.equal(true);
  });

  it("says what an image is, without a tokenizer", async () => {
    const rows = collect(
      previewDataset(join(EXAMPLES, "images.zip"), { kind: "image-classification", rows: 1 }),
    );
    expect((await rows)[0]).to.deep.include({
      entry: "blue/0.jpg",
      label: "blue",
      image: { width: 12, height: 9, bytes: 680 },
      texts: [],
    });
  });

  it("shows the problem of a row in the words of checkDataset, and continues", async () => {
    const rows = `${jsonl({ text: "abc" })}no json\n${jsonl({ text: "def" })}`;
    const path = write(".jsonl", rows);
    const shown = await preview(path);
    const { problems } = await checkDataset(path, { kind: "causal-lm" });
    expect(shown.map(({ texts }) => texts.map(draw).join())).to.deep.equal([
      "a‹bc{<|im_end|>}›",
      "",
      "d‹ef{<|im_end|>}›",
    ]);
    expect(shown[1]).to.deep.equal({ line: 2, texts: [], problems });
  });

  it("shows the tokens of a row that teaches nothing, to see why", async () => {
    const path = write(".jsonl", jsonl({ prompt: "abc", completion: "d" }));
    const [row] = await preview(path, { maxLength: 3 });
    expect(row!.problems.map(({ rule }) => rule)).to.deep.equal(["nothing-learned"]);
    expect(draw(row!.texts[0]!)).to.equal("abc[d{<|im_end|>}]");
  });

  it("shows three rows from the start, or as many as wanted from a line on", async () => {
    const path = write(
      ".jsonl",
      jsonl(...["aa", "bb", "cc", "dd", "ee"].map((text) => ({ text }))),
    );
    const lines = async (options: Partial<PreviewOptions>) =>
      (await preview(path, options)).map(({ line }) => line);
    expect(await lines({})).to.deep.equal([1, 2, 3]);
    expect(await lines({ rows: 1, from: 4 })).to.deep.equal([4]);
    expect(await lines({ rows: 9, from: 4 })).to.deep.equal([4, 5]);
    expect(await lines({ from: 6 })).to.deep.equal([]);
  });

  it("says what is wrong with the file as a whole, from whatever line on", async () => {
    const [row] = await preview(write(".jsonl", ""), { from: 7 });
    expect(row!.problems.map(({ rule }) => rule)).to.deep.equal(["no-rows"]);
    const foreign = await rejection(() => preview(write(".jsonl", '[{"text":"abc"}]')));
    expect(foreign.code).to.equal("dataset-invalid");
    // A byte order mark is a warning about the file, not a row.
    const marked = write(".jsonl", `\ufeff${jsonl({ text: "abc" })}`);
    expect(await preview(marked)).to.have.length(1);
  });

  it("needs a tokenizer for anything but images", async () => {
    const path = write(".jsonl", jsonl({ text: "abc" }));
    const error = await rejection(() => collect(previewDataset(path, { kind: "causal-lm" })));
    expect(error.code).to.equal("usage");
  });
});
