import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { describe, it } from "mocha";
import { checkDataset } from "../../../../../sdk/dataset/checking/checkDataset.ts";
import { MAX_GROUPS, MAX_PLACES } from "../../../../../sdk/dataset/checking/ProblemList.ts";
import type { DatasetKind } from "../../../../../sdk/dataset/formats/DatasetRow.ts";
import { RULES, type RuleId } from "../../../../../sdk/dataset/formats/rules.ts";
import { jsonl, temporaryFolder } from "../temporaryFolder.ts";
import { EXAMPLES } from "../trainer.ts";

const CHAT = [
  { role: "user", content: "Hi" },
  { role: "assistant", content: "Hello" },
];
const GOOD = '{"text":"good"}\n';

/** Content, then the rules it breaks as "line rule". The extension is .jsonl unless specified. */
interface Case {
  readonly says: string;
  readonly content: string | Uint8Array;
  readonly ending?: string;
  readonly kind?: DatasetKind;
  readonly breaks: readonly `${number} ${RuleId}`[];
}

const messages = (...list: unknown[]) => jsonl({ messages: list });

const CASES: Case[] = [
  { says: "an empty file", content: "", breaks: ["1 no-rows"] },
  { says: "only blank lines", content: "\n \n\r\n", breaks: ["1 no-rows"] },
  {
    says: "only a header",
    content: "text,label\n",
    ending: ".csv",
    kind: "text-classification",
    breaks: ["1 no-rows"],
  },
  { says: "an unknown extension", content: GOOD, ending: ".txt", breaks: ["1 file-type"] },
  { says: "CSV for a causal model", content: GOOD, ending: ".csv", breaks: ["1 file-type"] },
  {
    says: "bytes that are not UTF-8",
    content: Buffer.concat([Buffer.from(GOOD), Buffer.from([0x22, 0xe9, 0x22, 10])]),
    breaks: ["2 not-utf-8"],
  },
  {
    says: "a surrogate encoded as UTF-8",
    content: Buffer.from([0xed, 0xa0, 0x80]),
    breaks: ["1 not-utf-8"],
  },
  { says: "a byte order mark", content: `\ufeff${GOOD}`, breaks: ["1 byte-order-mark"] },
  {
    says: "a blank line between rows",
    content: `${GOOD}\n{"text":"b"}\n`,
    breaks: ["2 blank-line"],
  },
  { says: "a line that is not JSON", content: `${GOOD}{text: 1}\n`, breaks: ["2 invalid-json"] },
  {
    says: "two objects on a line",
    content: `{"text":"a"} {"text":"b"}`,
    breaks: ["1 invalid-json"],
  },
  { says: "an array", content: `["a"]\n`, breaks: ["1 json-array"] },
  { says: "an array over several lines", content: `[\n${GOOD}]\n`, breaks: ["1 json-array"] },
  {
    says: "a list on each line",
    content: `["a"]\n["b"]\n`,
    breaks: ["1 not-an-object", "2 not-an-object"],
  },
  {
    says: "a compressed file",
    content: gzipSync(GOOD),
    breaks: ["1 compressed"],
  },
  {
    says: "half a character in a key",
    content: '{"te\\ud83dxt":"a"}\n',
    breaks: ["1 half-character"],
  },
  { says: "null", content: "null\n", breaks: ["1 not-an-object"] },
  { says: "an empty object", content: "{}\n", breaks: ["1 unknown-format"] },
  {
    says: "question and answer",
    content: jsonl({ question: "a", answer: "b" }),
    breaks: ["1 unknown-format"],
  },
  {
    says: "a prompt without completion",
    content: jsonl({ prompt: "a" }),
    breaks: ["1 missing-field"],
  },
  {
    says: "an input without instruction and output",
    content: jsonl({ instruction: "a", input: "b" }),
    breaks: ["1 missing-field"],
  },
  {
    says: "an extra key",
    content: jsonl({ text: "a", source: "b" }),
    breaks: ["1 unknown-field"],
  },
  {
    says: "two formats in one row",
    content: jsonl({ text: "a", prompt: "b", completion: "c" }),
    breaks: ["1 unknown-field"],
  },
  {
    says: "two formats in one file",
    content: jsonl({ text: "a" }, { prompt: "b", completion: "c" }, { text: "d" }),
    breaks: ["2 mixed-formats"],
  },
  { says: "a number as text", content: jsonl({ text: 7 }), breaks: ["1 wrong-type"] },
  { says: "null as text", content: jsonl({ text: null }), breaks: ["1 wrong-type"] },
  { says: "an empty text", content: jsonl({ text: "" }), breaks: ["1 empty-text"] },
  {
    says: "an empty prompt",
    content: jsonl({ prompt: "", completion: "c" }),
    breaks: ["1 empty-text"],
  },
  {
    says: "an empty completion",
    content: jsonl({ prompt: "a", completion: "" }),
    breaks: ["1 empty-answer"],
  },
  {
    says: "an empty output",
    content: jsonl({ instruction: "a", output: "" }),
    breaks: ["1 empty-answer"],
  },
  { says: "white space as text", content: jsonl({ text: " \n" }), breaks: ["1 blank-text"] },
  { says: "half a character", content: '{"text":"a\\ud83d"}\n', breaks: ["1 half-character"] },
  {
    says: "messages that are not a list",
    content: jsonl({ messages: "a" }),
    breaks: ["1 bad-messages"],
  },
  { says: "no messages", content: messages(), breaks: ["1 bad-messages"] },
  { says: "a message that is not an object", content: messages("hi"), breaks: ["1 bad-message"] },
  {
    says: "a message without content",
    content: messages({ role: "user" }, CHAT[1]),
    breaks: ["1 bad-message"],
  },
  {
    says: "a message with an extra key",
    content: messages({ ...CHAT[0], weight: 0 }, CHAT[1]),
    breaks: ["1 bad-message"],
  },
  {
    says: "a weight other than 0 and 1",
    content: messages(CHAT[0], { ...CHAT[1], weight: 0.5 }),
    breaks: ["1 bad-weight"],
  },
  {
    says: "answers that all have the weight 0",
    content: messages(CHAT[0], { ...CHAT[1], weight: 0 }),
    breaks: ["1 nothing-learned"],
  },
  {
    says: "an image in a content",
    content: messages({ role: "user", content: [{ type: "image_url", image_url: "x" }] }, CHAT[1]),
    breaks: ["1 content-part"],
  },
  {
    says: "a tool without a name",
    content: jsonl({ messages: CHAT, tools: [{ type: "function", function: {} }] }),
    breaks: ["1 bad-tools"],
  },
  {
    says: "the answer to a call that nobody made",
    content: messages(...CHAT, { role: "tool", content: "x", tool_call_id: "1" }, CHAT[1]),
    breaks: ["1 bad-tool-call", "1 role-order"],
  },
  {
    says: "an unknown role",
    content: messages({ role: "bot", content: "a" }, CHAT[1]),
    breaks: ["1 unknown-role"],
  },
  { says: "no assistant", content: messages(CHAT[0]), breaks: ["1 no-assistant"] },
  {
    says: "an empty answer in a conversation",
    content: messages(CHAT[0], { role: "assistant", content: "" }),
    breaks: ["1 empty-answer"],
  },
  {
    says: "an empty question in a conversation",
    content: messages({ role: "user", content: "" }, CHAT[1]),
    breaks: ["1 empty-text"],
  },
  {
    says: "a conversation that the assistant begins",
    content: messages(CHAT[1]),
    breaks: ["1 role-order"],
  },
  {
    says: "a conversation that the user ends",
    content: messages(...CHAT, CHAT[0]),
    breaks: ["1 role-order"],
  },
  {
    says: "a system message in the middle",
    content: messages(CHAT[0], { role: "system", content: "s" }, CHAT[1]),
    breaks: ["1 role-order"],
  },
  {
    says: "a duplicate row",
    content: jsonl({ text: "a" }, { text: "b" }, { text: "a" }),
    breaks: ["3 duplicate-row"],
  },
];

const LABEL_CASES: Case[] = [
  { says: "no label", content: jsonl({ text: "a" }), breaks: ["1 missing-label"] },
  {
    says: "an empty label",
    content: jsonl({ text: "a", label: "" }),
    breaks: ["1 missing-label"],
  },
  { says: "a null label", content: jsonl({ text: "a", label: null }), breaks: ["1 missing-label"] },
  { says: "a fraction", content: jsonl({ text: "a", label: 0.5 }), breaks: ["1 bad-label"] },
  {
    says: "an integer written as a fraction",
    content: '{"text":"a","label":0}\n{"text":"b","label":1.0}\n{"text":"c","label":1}\n',
    breaks: ["2 bad-label"],
  },
  { says: "a negative label", content: jsonl({ text: "a", label: -1 }), breaks: ["1 bad-label"] },
  { says: "a boolean", content: jsonl({ text: "a", label: true }), breaks: ["1 bad-label"] },
  {
    says: "words and integers",
    content: jsonl({ text: "a", label: 0 }, { text: "b", label: "1" }, { text: "c", label: 1 }),
    breaks: ["2 mixed-labels"],
  },
  {
    says: "one label",
    content: jsonl({ text: "a", label: "x" }, { text: "b", label: "x" }),
    breaks: ["2 one-label"],
  },
  {
    says: "a gap between labels",
    content: jsonl({ text: "a", label: 0 }, { text: "b", label: 2 }),
    breaks: ["2 label-gap"],
  },
  {
    says: "an unknown header",
    content: "sentence,label\na,0\nb,1\n",
    ending: ".csv",
    breaks: ["1 bad-header"],
  },
  {
    says: "a third column",
    content: "text,label\na,0\nb,1\nc,1,x\n",
    ending: ".csv",
    breaks: ["4 column-count"],
  },
  {
    says: "one column",
    content: "text\tlabel\na\tx\nb\ty\nc\n",
    ending: ".tsv",
    breaks: ["4 column-count"],
  },
  {
    says: "an unclosed quotation mark",
    content: 'text,label\na,0\nb,1\n"c,1\n',
    ending: ".csv",
    breaks: ["4 bad-quotes"],
  },
  {
    says: "a quotation mark that closes too early",
    content: 'text,label\na,0\n"b"c,1\nd,1\n',
    ending: ".csv",
    breaks: ["3 bad-quotes"],
  },
  {
    says: "a word in a file without header",
    content: "0\ta\n1\tb\ngood\tc\n",
    ending: ".tsv",
    breaks: ["3 bad-label"],
  },
  {
    says: "a first line that is neither header nor row",
    content: "good\ta\nbad\tb\n",
    ending: ".tsv",
    breaks: ["1 bad-header", "2 one-label"],
  },
  {
    says: "an empty text in columns",
    content: "0\ta\n1\t\n1\tb\n",
    ending: ".tsv",
    breaks: ["2 empty-text"],
  },
];

/** Files shared with the trainer's tests, and the rule that each breaks. */
const SHARED: Record<string, RuleId> = {
  "bomb.zip": "archive-too-large",
  "damaged.tar": "damaged-archive",
  "damaged.tar.gz": "damaged-archive",
  "damaged.zip": "damaged-archive",
  "image-16-bit.zip": "image-deep",
  "image-animated.zip": "image-animated",
  "image-bomb.zip": "image-too-large",
  "image-cmyk.zip": "image-cmyk",
  "image-cut.zip": "image-damaged",
  "image-flipped-bit.zip": "image-damaged",
  "image-gif.zip": "image-type",
  "image-is-text.zip": "image-type",
  "image-jpeg-cut.zip": "image-damaged",
  "image-strip.zip": "image-too-large",
  "image-without-size.zip": "image-damaged",
  "link.tar": "not-a-file",
  "link.zip": "not-a-file",
  "no-archive.zip": "damaged-archive",
  "no-images.tar": "no-rows",
  "one-class.zip": "one-label",
  "path-absolute.tar": "unsafe-path",
  "path-absolute.zip": "unsafe-path",
  "path-backslash.tar": "unsafe-path",
  "path-deep.tar": "no-class-folder",
  "path-deep.zip": "no-class-folder",
  "path-drive.tar": "unsafe-path",
  "path-drive.zip": "unsafe-path",
  "path-empty-part.tar": "unsafe-path",
  "path-empty-part.zip": "unsafe-path",
  "path-long.zip": "unsafe-path",
  "path-not-utf8.tar.gz": "unsafe-path",
  "path-not-utf8.zip": "unsafe-path",
  "path-other-layout.zip": "no-class-folder",
  "path-out.tar": "unsafe-path",
  "path-out.zip": "unsafe-path",
  "path-spelled-twice.zip": "duplicate-entry",
  "path-too-deep.zip": "no-class-folder",
  "path-top.tar": "no-class-folder",
  "path-top.zip": "no-class-folder",
  "path-two-tops.tar.gz": "no-class-folder",
  "preference-and-completion.jsonl": "mixed-formats",
  "preference-empty.jsonl": "empty-answer",
  "preference-same.jsonl": "same-answers",
  "preference-texts-and-messages.jsonl": "wrong-type",
  "preference-without-rejected.jsonl": "missing-field",
  "preferred-output-same.jsonl": "same-answers",
  "preferred-output-text.jsonl": "bad-messages",
  "preferred-output-tools.jsonl": "bad-messages",
  "preferred-output-user.jsonl": "no-assistant",
  "tokens-bomb.parquet": "parquet-too-large",
  "tokens-cut.parquet": "damaged-parquet",
  "tokens-empty-row.parquet": "no-tokens",
  "tokens-fractions.parquet": "bad-columns",
  "tokens-large-row-group.parquet": "row-group-too-large",
  "tokens-lz4.parquet": "parquet-codec",
  "tokens-mask-too-short.parquet": "column-length",
  "tokens-mask-with-hole.parquet": "bad-mask",
  "tokens-negative-id.parquet": "unknown-token",
  "tokens-nested.parquet": "bad-columns",
  "tokens-no-rows.parquet": "no-rows",
  "tokens-null-row.parquet": "null-value",
  "tokens-null.parquet": "null-value",
  "tokens-other-column.parquet": "bad-columns",
  "tokens-padding-alone.parquet": "no-tokens",
  "tokens-shifted-labels.parquet": "shifted-labels",
  "tokens-unknown-id.parquet": "unknown-token",
};

/** Every word is one token; a model's ids are below 1,536. */
const WORDS = {
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    max_input_chars_per_word: 100,
    vocab: { "[UNK]": 0, "</s>": 1, last: 1535 },
  },
  pre_tokenizer: { type: "WhitespaceSplit" },
};
const CHAT_TEMPLATE =
  "{% for m in messages %}{{ ' <' + m.role + '> ' + m.content + ' </s>' }}{% endfor %}{% if add_generation_prompt %}{{ ' <assistant>' }}{% endif %}";
const tokenizerWith = (chat_template: string) => ({
  tokenizer: WORDS,
  tokenizerConfig: { eos_token: "</s>", chat_template },
});

/** Problems that only show if the rows are read as a model reads them. */
const MODEL_CASES: (Omit<Case, "kind" | "ending"> & {
  readonly template?: string;
  readonly maxLength?: number;
})[] = [
  {
    says: "nothing in a valid conversation",
    content: messages(...CHAT, ...CHAT),
    breaks: [],
  },
  {
    says: "messages that the template refuses",
    content: messages(...CHAT),
    template: "{{ raise_exception('no') }}",
    breaks: ["1 template-refuses"],
  },
  {
    says: "a template that moves every turn",
    content: messages(...CHAT, ...CHAT),
    template: "{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}",
    breaks: ["1 template-refuses"],
  },
  {
    says: "a template that rewrites earlier answers",
    content: messages(...CHAT, ...CHAT),
    template:
      "{% for m in messages %}{{ ' <' + m.role + '> ' + (m.content if loop.last or m.role == 'user' else 'said') + ' </s>' }}{% endfor %}{% if add_generation_prompt %}{{ ' <assistant>' }}{% endif %}",
    breaks: ["1 template-rewrites"],
  },
  {
    says: "nothing in a last answer whose reasoning the template leaves out, as it is restored",
    content: messages(CHAT[0], { role: "assistant", content: "<think> hm </think> Hello" }),
    template: CHAT_TEMPLATE.replace("m.content", "m.content.split('</think>')[-1]"),
    breaks: [],
  },
  {
    says: "an answer that the template leaves out",
    content: messages(...CHAT),
    template: "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}",
    breaks: ["1 template-refuses"],
  },
  {
    says: "names that the template leaves out, once for each row",
    content: messages({ ...CHAT[0], name: "Ada" }, { ...CHAT[1], name: "Bob" }, ...CHAT),
    breaks: ["1 name-ignored"],
  },
  {
    says: "nothing in names that the template writes",
    content: messages({ ...CHAT[0], name: "Ada" }, CHAT[1]),
    template: CHAT_TEMPLATE.replace("m.role", "(m.name or m.role)"),
    breaks: [],
  },
  {
    says: "tools that the template leaves out",
    content: jsonl({ messages: CHAT, tools: [{ type: "function", function: { name: "f" } }] }),
    breaks: ["1 template-refuses"],
  },
  {
    says: "a conversation with only an answer",
    content: messages(CHAT[1]),
    template: "{% for m in messages %}{{ m.content + ' ' }}{% endfor %}",
    breaks: ["1 role-order", "1 no-prompt", "1 nothing-learned"],
  },
  {
    says: "a truncated answer",
    content: jsonl({ prompt: "a", completion: " b" }, { prompt: "a a a a", completion: " b" }),
    maxLength: 4,
    breaks: ["2 nothing-learned"],
  },
  {
    says: "two answers that truncation makes equal",
    content: jsonl({ prompt: "a", chosen: " b b b c", rejected: " b b b d" }),
    maxLength: 4,
    breaks: ["1 same-answers"],
  },
];

describe("checkDataset", () => {
  const { write } = temporaryFolder();
  const found = async ({ content, ending = ".jsonl", kind = "causal-lm" }: Case) => {
    const report = await checkDataset(write(ending, content), { kind });
    return report.problems.map(({ line, rule }) => `${line} ${rule}`);
  };

  for (const example of CASES) {
    it(`finds ${example.says}`, async () => {
      expect(await found(example)).to.deep.equal(example.breaks);
    });
  }

  it("names the key or role that was probably meant", async () => {
    const content = jsonl(
      { messages: [CHAT[0], { ...CHAT[1], wieght: 1 }] },
      { messages: [{ role: "human", content: "a" }, CHAT[1]] },
      { messages: [{ role: "constructor", content: "a" }, CHAT[1]] },
    );
    const { problems } = await checkDataset(write(".jsonl", content), { kind: "causal-lm" });
    const meant = problems.map((found) => found.meant);
    expect(meant).to.deep.equal(["weight", "user", undefined]);
  });

  describe("of texts with labels", () => {
    for (const example of LABEL_CASES) {
      it(`finds ${example.says}`, async () => {
        const breaks = await found({ ...example, kind: "text-classification" });
        expect(
          breaks.filter(
            (rule) => !rule.endsWith("one-label") || example.breaks.includes(rule as never),
          ),
        ).to.deep.equal(example.breaks);
      });
    }

    it("finds a validation label that the training dataset lacks, and accepts a single class", async () => {
      const path = write(".tsv", "0\ta\n0\tb\n2\tc\n");
      const options = { kind: "text-classification", labels: ["0", "1"] } as const;
      const { problems } = await checkDataset(path, options);
      expect(problems.map(({ line, rule }) => `${line} ${rule}`)).to.deep.equal([
        "3 unknown-label",
        "1 missing-class",
      ]);
    });

    it("warns of labels that look alike", async () => {
      const labels = ["positive", "positive ", "Positive", "e\u0301", "\u00e9", "negative"];
      const content = jsonl(...labels.map((label, n) => ({ text: `${n}`, label })));
      const report = await checkDataset(write(".jsonl", content), { kind: "text-classification" });
      expect(report).to.include({ errors: 0, warnings: 2 });
      const [first, second] = report.problems;
      expect(first).to.include({ rule: "similar-labels", severity: "warning", line: 1 });
      expect(first!.message).to.contain('The labels "Positive", "positive" and "positive " differ');
      expect(second!.message).to.contain("\u00e9");
    });

    it("warns of labels that stand for nothing, or are numbers written as fractions", async () => {
      const labels = ["nan", "None", "null", "1.0", "0.0", "1.5", "none of these", "good"];
      const content = jsonl(...labels.map((label, n) => ({ text: `${n}`, label })));
      const report = await checkDataset(write(".jsonl", content), { kind: "text-classification" });
      expect(report.problems.map(({ line, rule }) => `${line} ${rule}`).sort()).to.deep.equal(
        [1, 2, 3, 4, 5].map((line) => `${line} odd-label`),
      );
    });

    it("orders integer labels by value and words by code point", async () => {
      const rows = (...labels: unknown[]) =>
        jsonl(...labels.map((label, n) => ({ text: `${n}`, label })));
      const labels = async (content: string) => {
        const report = await checkDataset(write(".jsonl", content), {
          kind: "text-classification",
        });
        return report.labels;
      };
      const integers = Array.from({ length: 11 }, (_, n) => n);
      expect(await labels(rows(...integers.toReversed()))).to.deep.equal(integers.map(String));
      expect(await labels(rows("b", "é", "B", "😀", "\uffee", "10", "9"))).to.deep.equal([
        "10",
        "9",
        "B",
        "b",
        "é",
        "\uffee",
        "😀",
      ]);
    });
  });

  describe("of files shared with the trainer", () => {
    for (const [name, rule] of Object.entries(SHARED)) {
      it(`finds ${rule} in ${name}`, async () => {
        const kind = /[.](jsonl|parquet)$/.test(name) ? "causal-lm" : "image-classification";
        const options = name.endsWith("parquet") ? { tokenizer: tokenizerWith("") } : {};
        const report = await checkDataset(join(EXAMPLES, "invalid", name), { kind, ...options });
        const errors = report.problems.filter(({ severity }) => severity === "error");
        expect(errors.map((found) => found.rule)).to.deep.equal([rule]);
        for (const { message, hint } of errors) {
          for (const sentence of [message, hint]) expect(sentence).to.match(/^[A-Za-z].*[.]$/);
        }
      });
    }
  });

  describe("as a model sees the rows", () => {
    for (const { says, content, breaks, template = CHAT_TEMPLATE, maxLength } of MODEL_CASES) {
      it(`finds ${says}`, async () => {
        const report = await checkDataset(write(".jsonl", content), {
          kind: "causal-lm",
          tokenizer: tokenizerWith(template),
          ...(maxLength && { maxLength }),
        });
        const found = report.problems.map(({ line, rule }) => `${line} ${rule}`);
        expect(found).to.deep.equal(breaks);
      });
    }

    it("measures truncation and learned tokens", async () => {
      const rows = [
        { prompt: "a b", completion: " c d e" },
        { prompt: "a", completion: " b" },
      ];
      const options = { kind: "causal-lm", tokenizer: tokenizerWith("") } as const;
      const path = write(".jsonl", jsonl(...rows));
      const cut = await checkDataset(path, { ...options, maxLength: 4 });
      expect(cut.size).to.deep.equal({ tokens: 9, kept: 7, learned: 4, truncated: 1 });
      const all = await checkDataset(path, { ...options, trainOnInputs: true });
      expect(all.size).to.deep.equal({ tokens: 9, kept: 9, learned: 7, truncated: 0 });
    });
  });

  describe("of archives", () => {
    const kind = "image-classification";
    const images = readFileSync(join(EXAMPLES, "images.zip"));

    it("continues after an invalid image", async () => {
      const path = join(EXAMPLES, "invalid/image-cmyk.zip");
      expect(await checkDataset(path, { kind })).to.include({ rows: 2, errors: 1 });
    });

    it("finds an encrypted file and names it", async () => {
      const content = Buffer.from(images);
      content[content.indexOf("PK\x01\x02", "latin1") + 8]! |= 1;
      const { problems } = await checkDataset(write(".zip", content), { kind });
      // The first entry is one that file managers leave behind: skipped, whatever it is.
      expect(problems).to.deep.equal([]);
      const second = content.indexOf("PK\x01\x02", content.indexOf("PK\x01\x02") + 4, "latin1");
      content[second + 8]! |= 1;
      const report = await checkDataset(write(".zip", content), { kind });
      expect(report.problems.map(({ entry, rule }) => `${entry} ${rule}`)).to.deep.equal([
        "blue/0.jpg unreadable-entry",
      ]);
    });

    it("finds duplicate files and images", async () => {
      const tar = readFileSync(join(EXAMPLES, "images.tar"));
      const entries = tar.subarray(0, tar.indexOf("__MACOSX") - (tar.indexOf("__MACOSX") % 512));
      const twice = Buffer.concat([entries, tar]);
      const { problems } = await checkDataset(write(".tar", twice), { kind });
      expect(new Set(problems.map(({ rule }) => rule))).to.deep.equal(new Set(["duplicate-entry"]));
      expect(problems).to.have.lengthOf(6);
    });

    it("finds a validation class that the training images lack, and vice versa", async () => {
      const path = join(EXAMPLES, "images.zip");
      const { problems } = await checkDataset(path, { kind, labels: ["blue", "green", "white"] });
      expect(problems.map(({ entry, line, rule }) => `${entry ?? line} ${rule}`)).to.deep.equal([
        "red/0.jpg unknown-label",
        "red/1.png unknown-label",
        "1 missing-class",
      ]);
    });
  });

  it("has a test for every rule", () => {
    const tested = [...CASES, ...LABEL_CASES, ...MODEL_CASES].flatMap(({ breaks }) => breaks);
    const rules = new Set([
      ...tested.map((rule) => rule.split(" ")[1]),
      ...Object.values(SHARED),
      "unreadable-entry",
      "duplicate-entry",
      "missing-class",
      "unknown-label",
      "line-too-long",
      "similar-labels",
      "odd-label",
    ]);
    expect([...rules].sort()).to.deep.equal(Object.keys(RULES).sort());
  });

  it("finds nothing in valid files of every format", async () => {
    const sound = [
      jsonl({ text: "a" }, { text: "b" }),
      jsonl({ prompt: "a", completion: "b" }),
      jsonl({ instruction: "a", output: "b" }, { instruction: "a", input: "", output: "c" }),
      messages({ role: "system", content: "s" }, ...CHAT, ...CHAT),
      '{"text":"a"}\r\n{"text":"b"}\r\n\r\n \t\n',
    ];
    for (const content of sound) {
      const report = await checkDataset(write(".jsonl", content), { kind: "causal-lm" });
      expect(report.problems, content).to.deep.equal([]);
    }
  });

  it("finds all problems of a file at once, each with its place and a hint", async () => {
    const path = write(".jsonl", `{"text":""}\nnonsense\n{"text":5}\n\n{"text":"good"}\n`);
    const report = await checkDataset(path, { kind: "causal-lm" });
    expect(report).to.include({ rows: 1, errors: 4, warnings: 0, format: "text" });
    expect(report.problems.map(({ line }) => line)).to.deep.equal([1, 2, 3, 4]);
    for (const { file, message, hint } of report.problems) {
      expect(file).to.equal(path);
      for (const sentence of [message, hint]) expect(sentence).to.match(/^[A-Za-z].*[.]$/);
    }
  });

  it("lists the first problems of a kind, and counts all", async () => {
    const rows = Array.from({ length: 1_000 }, (_, n) => ({
      prompt: "a",
      completion: n % 2 ? "b" : "",
    }));
    const path = write(".jsonl", jsonl(...rows));
    const { problems, groups, errors, warnings } = await checkDataset(path, { kind: "causal-lm" });
    expect({ errors, warnings }).to.deep.equal({ errors: 500, warnings: 499 });
    expect(groups.map(({ rule, count, places }) => ({ rule, count, places }))).to.deep.equal([
      { rule: "empty-answer", count: 500, places: lines(1, 3, 5, 7, 9, 11, 13, 15, 17, 19) },
      { rule: "duplicate-row", count: 499, places: lines(4, 6, 8, 10, 12, 14, 16, 18, 20, 22) },
    ]);
    expect(problems).to.have.lengthOf(2 * MAX_PLACES);
  });

  const lines = (...numbers: number[]) => numbers.map((line) => ({ line }));

  it("tells problems apart by what they quote, not by numbers or a parser's reason", async () => {
    const texts = ["nonsense", "more nonsense", '{"text":"a","b":1}', '{"text":"a","c":1}'];
    const path = write(".jsonl", `${GOOD}${texts.join("\n")}\n`);
    const { groups } = await checkDataset(path, { kind: "causal-lm" });
    expect(groups.map(({ rule, count }) => `${count} ${rule}`)).to.deep.equal([
      "2 invalid-json",
      "1 unknown-field",
      "1 unknown-field",
    ]);
  });

  it("lists few kinds of problems of one rule, so that others are seen", async () => {
    const rows = Array.from({ length: 500 }, (_, n) => ({ text: "a", [`k${n}`.repeat(9)]: n }));
    const path = write(".jsonl", `${GOOD}${jsonl(...rows, { text: "" })}`);
    const { groups, errors } = await checkDataset(path, { kind: "causal-lm" });
    expect(errors).to.equal(501);
    expect(groups.map(({ rule }) => rule)).to.deep.equal([
      ...Array(MAX_GROUPS).fill("unknown-field"),
      "empty-text",
    ]);
  });

  it("suggests the key that a misspelt one means", async () => {
    const rows = [
      { promt: "a", completion: "b" },
      { instruction: "a", output: "b", inptu: "c" },
      { message: [] },
    ];
    const path = write(".jsonl", `${GOOD}${jsonl(...rows)}`);
    const { problems } = await checkDataset(path, { kind: "causal-lm" });
    expect(problems.map(({ rule, meant }) => [rule, meant])).to.deep.equal([
      ["missing-field", undefined],
      ["unknown-field", "prompt"],
      ["unknown-field", "input"],
      ["unknown-format", "messages"],
    ]);
  });

  it("does not mention a line of JSON beside the line of the file", async () => {
    const path = write(".jsonl", `${GOOD}{"a":1,}\n`);
    const { problems } = await checkDataset(path, { kind: "causal-lm" });
    expect(problems[0]!.message).to.match(/^The line is not JSON \(.+ at position 7\)\.$/);
  });

  it("refuses a line above the limit and still reads the next one", async () => {
    const path = write(".jsonl", `{"text":"${"a".repeat(17 << 20)}"}\n${GOOD}`);
    const report = await checkDataset(path, { kind: "causal-lm" });
    expect(report.problems.map(({ line, rule }) => `${line} ${rule}`)).to.deep.equal([
      "1 line-too-long",
    ]);
    expect(report.rows).to.equal(1);
  });

  it("reports a missing file", async () => {
    const error = await checkDataset("/nowhere/train.jsonl", { kind: "causal-lm" }).catch((e) => e);
    expect(error).to.include({ code: "usage", message: "/nowhere/train.jsonl does not exist." });
  });

  it("says that a folder is none, and a missing file is missing, whatever its extension", async () => {
    for (const kind of ["causal-lm", "text-classification", "image-classification"] as const) {
      for (const name of ["train.jsonl", "train.parquet", "train.foo", "train.zip", "train"]) {
        const error = await checkDataset(join("/nowhere", name), { kind }).catch((e) => e);
        expect(error.message).to.equal(`/nowhere/${name} does not exist.`);
      }
      const error = await checkDataset(EXAMPLES, { kind }).catch((e) => e);
      expect(error).to.include({ code: "usage", message: `${EXAMPLES} is a folder, not a file.` });
    }
  });
});
