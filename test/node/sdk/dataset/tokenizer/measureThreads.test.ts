import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";
import { checkDataset } from "../../../../../sdk/dataset/checking/checkDataset.ts";
import { countDataset } from "../../../../../sdk/dataset/counting/countDataset.ts";
import { temporaryFolder } from "../temporaryFolder.ts";
import { WORD_TOKENIZER } from "../wordTokenizer.ts";

const tokenizer = {
  tokenizer: WORD_TOKENIZER,
  tokenizerConfig: {
    eos_token: "<unk>",
    chat_template:
      "{% for m in messages %}{% if m.content == 'refused' %}{{ raise_exception('no') }}{% endif %}<turn> {{ m.content }} {% endfor %}",
  },
};

const WORDS = 200;
const LONG = `${"w".repeat(199)} `.repeat(WORDS).trim();
const row = (asked: string) =>
  JSON.stringify({
    messages: [
      { role: "user", content: asked },
      { role: "assistant", content: LONG },
    ],
  });

describe("measureRows", () => {
  const { folder } = temporaryFolder();

  it("measures a large dataset in threads, with the same figures and problems in their order", async () => {
    const path = join(folder, "large.jsonl");
    const count = 1_100;
    // Refused by the template, and by a rule: in the middle of batches, and in the last one.
    const lines = Array.from({ length: count }, (_, n) => row("a ".repeat((n % 7) + 1)));
    lines[300] = row("refused");
    lines[301] = '{"messages": []}';
    lines[count - 1] = row("refused");
    writeFileSync(path, `${lines.join("\n")}\n`);
    const report = await checkDataset(path, { kind: "causal-lm", tokenizer, maxLength: 100 });
    const errors = report.problems.filter(({ severity }) => severity === "error");
    expect(errors.map(({ line, rule }) => `${line} ${rule}`)).to.deep.equal([
      "301 template-refuses",
      "302 bad-messages",
      `${count} template-refuses`,
    ]);
    const valid = Array.from({ length: count }, (_, n) => n).filter(
      (n) => ![300, 301, count - 1].includes(n),
    );
    const tokens = valid.reduce((sum, n) => sum + (n % 7) + 1 + WORDS + 2, 0);
    expect(report.rows).to.equal(count - 1);
    expect(report.size).to.deep.include({
      tokens,
      kept: 100 * valid.length,
      truncated: valid.length,
    });
  });

  it("counts a large dataset in threads, and names the first row that is refused", async () => {
    const path = join(folder, "counted.jsonl");
    const lines = Array.from({ length: 500 }, () => row("a"));
    writeFileSync(path, lines.join("\n"));
    const options = { kind: "causal-lm", unit: "token", tokenizer } as const;
    const { dataSize } = await countDataset(path, options);
    expect(dataSize).to.equal(500n * BigInt(WORDS + 3));
    writeFileSync(path, [...lines, row("refused"), ...lines].join("\n"));
    const error = await countDataset(path, options).catch((caught) => caught);
    expect(error.code).to.equal("dataset-invalid");
    expect(error.message).to.include("counted.jsonl:501: The chat template refuses");
  });

  it("reports a tokenizer that does not allow exact counts, whatever the size", async () => {
    const path = join(folder, "unsupported.jsonl");
    writeFileSync(path, Array.from({ length: 500 }, () => row("a")).join("\n"));
    const unsupported = { ...tokenizer, tokenizer: { model: { type: "Unigram", vocab: [] } } };
    const options = { kind: "causal-lm", unit: "token", tokenizer: unsupported } as const;
    const error = await countDataset(path, options).catch((caught) => caught);
    expect(error.code).to.equal("usage");
  });
});
