import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";
import { previewDataset } from "../../../sdk/dataset/preview/previewDataset.ts";
import { displayWidth } from "../../../tasks/terminal/displayWidth.ts";
import { renderLegend, renderPreview } from "../../../tasks/terminal/renderPreview.ts";
import type { Canvas } from "../../../tasks/terminal/Terminal.ts";
import { wrapPieces } from "../../../tasks/terminal/wrapPieces.ts";
import { BYTE_TOKENIZER } from "../sdk/dataset/preview/byteTokenizer.ts";
import { collect, jsonl, temporaryFolder } from "../sdk/dataset/temporaryFolder.ts";

const ROWS = [
  {
    messages: [
      { role: "user", content: "What is <|im_end|>?\n  Answer in one word.", name: "Ada" },
      { role: "assistant", content: "An end 😀, as it\tis called." },
    ],
  },
  {},
  {
    messages: [
      { role: "user", content: "And of Brazil?" },
      { role: "assistant", content: "Its capital is Brasília. ".repeat(7) },
    ],
  },
];

/** Colours as words: {green}…{/}. */
const NAMES: Record<string, string> = {
  ...{ 1: "bold", 2: "dim", 4: "line", 22: "/", 24: "/", 31: "red", 32: "green", 39: "/" },
};

describe("the screen of preview", () => {
  const { write } = temporaryFolder();
  const render = async (canvas: Canvas, rows: readonly unknown[] = ROWS, maxLength = 200) => {
    const path = write(".jsonl", jsonl(...rows));
    const options = { kind: "causal-lm", tokenizer: BYTE_TOKENIZER, maxLength } as const;
    const shown = (await collect(previewDataset(path, options))).map((row) => ({
      ...row,
      problems: row.problems.map((each) => ({ ...each, file: "a.jsonl" })),
    }));
    const drawn = shown.map((row) => renderPreview("a.jsonl", row, canvas));
    return [renderLegend("causal-lm", canvas), ...drawn].join("\n\n").replaceAll(
      // biome-ignore lint/suspicious/noControlCharactersInRegex: colours start with one
      /\u001b\[(\d+)m/g,
      (_, code: string) => `{${NAMES[code]}}`,
    );
  };

  for (const columns of [80, 120]) {
    for (const colors of [false, true]) {
      it(`has ${columns} columns ${colors ? "with" : "without"} colours`, async () => {
        const name = `preview-${columns}${colors ? "-colours" : ""}.txt`;
        const wanted = readFileSync(join(import.meta.dirname, "screens", name), "utf8");
        const screen = await render({ columns, colors });
        expect(`${screen}\n`).to.equal(wanted);
        const lines = screen.replaceAll(/\{(\w+|\/)\}/g, "").split("\n");
        expect(Math.max(...lines.map((line) => line.length))).to.be.at.most(columns);
      });
    }
  }

  it("breaks no line in a pipe but where the text has one", async () => {
    const screen = await render({ columns: undefined, colors: false });
    expect(screen).to.contain(`\n  ‹${"Its capital is Brasília. ".repeat(6)}Its capital›\n`);
  });

  it("shows both answers of a pair, one after the other", async () => {
    const pair = { prompt: "One?", chosen: " Yes.", rejected: " No." };
    const screen = await render({ columns: 80, colors: false }, [pair]);
    expect(screen.split("\n").slice(-5)).to.deep.equal([
      "a.jsonl:1 (preference): two answers",
      "  ── preferred: 10 tokens, 6 learned, 0 cut ──",
      "  One?‹·Yes.<|im_end|>›",
      "  ── rejected: 9 tokens, 5 learned, 0 cut ──",
      "  One?‹·No.<|im_end|>›",
    ]);
  });

  it("shows at most the start of what is cut", async () => {
    const row = { prompt: "a", completion: "b".repeat(2_000) };
    const screen = await render({ columns: 80, colors: false }, [row], 3);
    expect(screen.split("\n").slice(-5)).to.deep.equal([
      "a.jsonl:1 (prompt): 2,002 tokens, 2 learned, 1,999 cut",
      "  a‹bb›",
      "  ── cut after 3 tokens; the model does not see: ──",
      `  ${"b".repeat(40)}`,
      "  ── and 1,959 more tokens ──",
    ]);
  });

  it("does not let a text move the cursor or change its direction", async () => {
    const text = "a\u001b[2Jb\u202ec\r\nd\u200be";
    const screen = await render({ columns: 80, colors: false }, [{ text }]);
    expect(screen).to.contain("\\u{1b}[2Jb\\u{202e}c\\u{d}↵\n  d\\u{200b}e");
  });

  it("breaks a token only if it is wider than the screen", () => {
    const pieces = ["ab", "cd", " ", "efgh", "ijklmnop", " q"].map((text) => ({ text }));
    const lines = wrapPieces(pieces, 6).map((line) => line.map(({ text }) => text).join("|"));
    expect(lines).to.deep.equal(["ab|cd|", "efgh", "ijklmn", "op| q"]);
  });

  it("counts wide characters as two columns, and accents as none", () => {
    expect(displayWidth("東京です")).to.equal(8);
    expect(displayWidth("e\u0301é😀")).to.equal(4);
  });
});
