import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { describe, it } from "mocha";
import { foldLines } from "../../../scripts/quickstart/foldLines.ts";
import { renderSummary } from "../../../scripts/quickstart/renderSummary.ts";

const STEP = resolve(import.meta.dirname, "../../../provider/trainer/showStep.mjs");

describe("npm start: what it shows", () => {
  /** A step that ends when its stdin does. */
  const startStep = (terminal: string) => {
    const program = `${terminal}
      const { showStep } = await import(${JSON.stringify(STEP)});
      await showStep("Building", async () => { for await (const _ of process.stdin); });`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program]);
    child.stderr.setEncoding("utf8");
    return child;
  };

  it("a silent step from its first moment, with a clock on a terminal", async () => {
    const child = startStep("process.stderr.isTTY = true; process.stderr.columns = 80;");
    let shown = "";
    for await (const piece of child.stderr) {
      shown += piece;
      if (/… [1-9]/.test(shown)) child.stdin.end();
    }
    expect(shown.startsWith("\r\u001b[2KBuilding… 0 s\r")).to.equal(true);
    expect(shown.endsWith(" s\n")).to.equal(true);
  });

  it("one line for a silent step without a terminal", async () => {
    const child = startStep("");
    expect(await once(child.stderr, "data")).to.deep.equal(["Building…\n"]);
    child.stdin.end();
    expect(await text(child.stderr)).to.equal("");
  });

  it("the first and the last lines of a long log, and how many are hidden", () => {
    const lines = Array.from({ length: 200 }, (_, index) => `line ${index}`);
    const shown = foldLines(`${lines.join("\n")}\n`).split("\n");
    expect(shown[0]).to.equal("line 0");
    expect(shown.at(-1)).to.equal("line 199");
    expect(shown.filter((line) => !lines.includes(line))).to.deep.equal([
      `… ${200 - (shown.length - 1)} lines …`,
    ]);
    const short = lines.slice(0, 12).join("\n");
    expect(foldLines(short)).to.equal(short);
  });

  it("the result on a screen of 80 columns", () => {
    const screen = renderSummary({
      model: "tiny-qwen2",
      folder: "output/start-1/model/tiny-qwen2",
      lossBefore: 7.3489,
      lossAfter: 0.0466,
      prompts: ["What is the capital of Japan?"],
      base: ["????????????????"],
      tuned: [" Tokyo."],
      fee: 79_000_000_000_000n,
      gasCost: 525_558_399_165_928n,
      seconds: 73.4,
    });
    expect(`${screen}\n`).to.equal(`\
It trained tiny-qwen2, a tiny model with random weights, on questions about
capitals, and delivered it encrypted. Key and payment were exchanged on chain,
and every byte is what the provider had committed to.

Question   What is the capital of Japan?
  before   "????????????????"
  after    "Tokyo."
Loss       7.349 before, 0.047 after, on questions that it was not trained on
Cost       0.000079 OG for the training, 0.000525558399165928 OG for gas
Time       73 seconds, including the start of the network
Model      output/start-1/model/tiny-qwen2
           docs/models.md shows how to use it in a program
`);
  });
});
