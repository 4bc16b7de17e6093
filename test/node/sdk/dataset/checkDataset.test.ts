import { expect } from "chai";
import { describe, it } from "mocha";
import { checkDataset, MOST_PROBLEMS } from "../../../../sdk/dataset/checkDataset.ts";
import type { DatasetKind } from "../../../../sdk/dataset/DatasetRow.ts";
import { RULES, type RuleId } from "../../../../sdk/dataset/rules.ts";
import { jsonl, temporaryFolder } from "./temporaryFolder.ts";

const CHAT = [
  { role: "user", content: "Hi" },
  { role: "assistant", content: "Hello" },
];
const GOOD = '{"text":"good"}\n';

/** Content, then the rules it breaks as "line rule". A content's ending is .jsonl unless it says otherwise. */
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
  { says: "blank lines alone", content: "\n \n\r\n", breaks: ["1 no-rows"] },
  {
    says: "a header alone",
    content: "text,label\n",
    ending: ".csv",
    kind: "text-classification",
    breaks: ["1 no-rows"],
  },
  { says: "an unknown ending", content: GOOD, ending: ".txt", breaks: ["1 file-type"] },
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
  { says: "a line that is no JSON", content: `${GOOD}{text: 1}\n`, breaks: ["2 invalid-json"] },
  {
    says: "two objects on a line",
    content: `{"text":"a"} {"text":"b"}`,
    breaks: ["1 invalid-json"],
  },
  { says: "a list", content: `["a"]\n`, breaks: ["1 not-an-object"] },
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
    says: "a key too many",
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
    says: "messages that are no list",
    content: jsonl({ messages: "a" }),
    breaks: ["1 bad-messages"],
  },
  { says: "no messages", content: messages(), breaks: ["1 bad-messages"] },
  { says: "a message that is no object", content: messages("hi"), breaks: ["1 bad-message"] },
  {
    says: "a message without content",
    content: messages({ role: "user" }, CHAT[1]),
    breaks: ["1 bad-message"],
  },
  {
    says: "a message with a key too many",
    content: messages(CHAT[0], { ...CHAT[1], weight: 0 }),
    breaks: ["1 bad-message"],
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
  { says: "an assistant who begins", content: messages(CHAT[1]), breaks: ["1 role-order"] },
  { says: "a user who ends", content: messages(...CHAT, CHAT[0]), breaks: ["1 role-order"] },
  {
    says: "a system message in the middle",
    content: messages(CHAT[0], { role: "system", content: "s" }, CHAT[1]),
    breaks: ["1 role-order"],
  },
  {
    says: "a row that is there twice",
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
  { says: "a truth value", content: jsonl({ text: "a", label: true }), breaks: ["1 bad-label"] },
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
    says: "a strange header",
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
    says: "a quotation mark that stays open",
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

    it("finds a validation label that the training dataset lacks, and lets one class pass", async () => {
      const path = write(".tsv", "0\ta\n0\tb\n2\tc\n");
      const options = { kind: "text-classification", labels: ["0", "1"] } as const;
      const { problems } = await checkDataset(path, options);
      expect(problems.map(({ line, rule }) => `${line} ${rule}`)).to.deep.equal([
        "3 unknown-label",
      ]);
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

  it("has a test for every rule", () => {
    const tested = [...CASES, ...LABEL_CASES].flatMap(({ breaks }) => breaks);
    const rules = new Set([
      ...tested.map((rule) => rule.split(" ")[1]),
      "unknown-label",
      "line-too-long",
    ]);
    expect([...rules].sort()).to.deep.equal(Object.keys(RULES).sort());
  });

  it("finds nothing in sound files of every format", async () => {
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

  it("finds every problem of a file at once, each with its place and what to do", async () => {
    const path = write(".jsonl", `{"text":""}\nnonsense\n{"text":5}\n\n{"text":"good"}\n`);
    const report = await checkDataset(path, { kind: "causal-lm" });
    expect(report).to.include({ rows: 1, errors: 4, warnings: 0, format: "text" });
    expect(report.problems.map(({ line }) => line)).to.deep.equal([1, 2, 3, 4]);
    for (const { file, message, hint } of report.problems) {
      expect(file).to.equal(path);
      for (const sentence of [message, hint]) expect(sentence).to.match(/^[A-Za-z].*[.]$/);
    }
  });

  it("counts all problems of a hopeless file and lists the first ones", async () => {
    const path = write(".jsonl", "nonsense\n".repeat(MOST_PROBLEMS + 234));
    const report = await checkDataset(path, { kind: "causal-lm" });
    expect(report.errors).to.equal(MOST_PROBLEMS + 234);
    expect(report.problems).to.have.lengthOf(MOST_PROBLEMS);
  });

  it("refuses a line beyond the bound and still reads the next one", async () => {
    const path = write(".jsonl", `{"text":"${"a".repeat(17 << 20)}"}\n${GOOD}`);
    const report = await checkDataset(path, { kind: "causal-lm" });
    expect(report.problems.map(({ line, rule }) => `${line} ${rule}`)).to.deep.equal([
      "1 line-too-long",
    ]);
    expect(report.rows).to.equal(1);
  });

  it("says that a file does not exist", async () => {
    const error = await checkDataset("/nowhere/train.jsonl", { kind: "causal-lm" }).catch((e) => e);
    expect(error).to.include({ code: "usage", message: "/nowhere/train.jsonl does not exist." });
  });
});
