import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { keccak256, toUtf8Bytes } from "ethers";
import { after, before, describe, it } from "mocha";
import { RATES } from "../../helpers/MarketFixture.ts";
import { BYTE_TOKENIZER } from "../sdk/dataset/preview/byteTokenizer.ts";
import { jsonl } from "../sdk/dataset/temporaryFolder.ts";
import { EXAMPLES } from "../sdk/dataset/trainer.ts";
import { CommandFixture } from "./CommandFixture.ts";
import type { CommandSettings } from "./runCommand.ts";

const TOKENIZER = JSON.stringify(BYTE_TOKENIZER);

const MODELS = ["causal-lm", "image-classification"].map((kind) => ({
  ...{ name: `tiny-${kind}`, kind, description: "A tiny model", predefined: true, rates: RATES },
  hash: keccak256(toUtf8Bytes(kind)),
  tokenizerHash: keccak256(toUtf8Bytes(TOKENIZER)),
  ...(kind === "causal-lm" && { maxLength: 200 }),
}));

const ROWS = [
  { prompt: "1+1=", completion: " 2" },
  { prompt: "1+2=", completion: "" },
  { prompt: "1+3=", completion: " 4 (four)" },
  { prompt: "1+4=", completion: " 5" },
];

describe("tasks: preview", () => {
  let market: CommandFixture;
  let dataPath: string;
  before(async () => {
    market = await CommandFixture.open();
    market.daemon.tokenizer = TOKENIZER;
    market.daemon.catalogue = JSON.stringify({ models: MODELS });
    const offer = { url: market.daemon.url, price: "0.000000000000000002", unit: "byte" };
    await market.json("register-provider", { ...offer, amount: "1" });
    dataPath = join(market.folder, "sums.jsonl");
    await writeFile(dataPath, jsonl(...ROWS));
  });
  after(() => market.close());

  const show = async (flags: Record<string, unknown> = {}, run: CommandSettings = {}) => {
    const all = { dataPath, model: "tiny-causal-lm", ...flags };
    const { env } = { env: { NO_COLOR: "1", FORCE_COLOR: undefined }, ...run };
    return market.run("preview", all, { ...run, env });
  };

  it("shows the rows of a file as the model sees them, and the problem of one that is invalid", async () => {
    const { stdout, stderr, exitCode } = await show();
    expect(exitCode).to.equal(3);
    const [legend, , first, firstText, , second, , third, thirdText] = stdout.split("\n");
    expect(legend).to.contain("The model learns ‹what is in brackets›");
    expect(first).to.equal(`${dataPath}:1 (prompt): 7 tokens, 3 learned, 0 cut`);
    expect(firstText).to.equal("  1+1=‹·2<|im_end|>›");
    const checked = await market.run("check-data", { dataPath });
    expect(checked.stdout).to.contain(`${second}\n`);
    expect([third, thirdText]).to.deep.equal([
      `${dataPath}:3 (prompt): 14 tokens, 10 learned, 0 cut`,
      "  1+3=‹·4 (four)<|im_end|>›",
    ]);
    expect(stderr).to.contain("1 row of").and.contain("would be refused");
  });

  it("takes the settings of the job, and suggests the check of the whole dataset", async () => {
    const flags = { from: "3", rows: "1", maxSeqLength: "8", trainOnInputs: "true" };
    const { stdout, stderr, exitCode } = await show(flags);
    expect(exitCode).to.equal(0);
    expect(stdout.split("\n").slice(2)).to.deep.equal([
      `${dataPath}:3 (prompt): 14 tokens, 7 learned, 6 cut`,
      "  1‹+3= 4 (›",
      "  ── cut after 8 tokens; the model does not see: ──",
      "  four)<|im_end|>",
      "",
    ]);
    expect(stderr).to.match(
      /^Next: npx hardhat check-data --data-path .*--model tiny-causal-lm\n$/,
    );
  });

  it("cuts at the model's own maximum, if that is less", async () => {
    const long = join(market.folder, "long.jsonl");
    await writeFile(long, jsonl({ prompt: "a", completion: "b".repeat(300) }));
    const { rows } = await market.json("preview", {
      ...{ dataPath: long, model: "tiny-causal-lm", maxSeqLength: "250" },
    });
    const { tokens } = rows[0].texts[0];
    expect(tokens.filter(({ cut }: { cut: boolean }) => !cut)).to.have.length(200);
  });

  it("has colours on a terminal, unless NO_COLOR is set", async () => {
    const flags = { from: "3", rows: "1" };
    const green = "\u001b[32m·4 (four)\u001b[39m";
    const colored = { terminal: 80, env: { NO_COLOR: undefined, FORCE_COLOR: "1" } };
    expect((await show(flags, colored)).stdout)
      .to.contain(green)
      .and.not.contain("‹");
    expect((await show(flags, { terminal: 80 })).stdout).to.contain("‹·4");
  });

  it("prints the same as one document with --json", async () => {
    const { stdout, exitCode } = await show({ json: true });
    expect(exitCode).to.equal(3);
    const { rows, ...rest } = JSON.parse(stdout);
    expect(rest).to.deep.equal({
      ...{ path: dataPath, kind: "causal-lm", model: "tiny-causal-lm" },
      provider: market.provider.address,
    });
    expect(
      rows.map(({ line, format }: { line: number; format: string }) => [line, format]),
    ).to.deep.equal([
      [1, "prompt"],
      [2, undefined],
      [3, "prompt"],
    ]);
    expect(rows[0].texts[0].tokens.slice(-2)).to.deep.equal([
      { text: "2", id: 50, learned: true, special: false, cut: false },
      { text: "<|im_end|>", id: 257, learned: true, special: true, cut: false },
    ]);
    expect(rows[1].problems[0].rule).to.equal("empty-answer");
  });

  it("says what images are", async () => {
    const images = join(EXAMPLES, "images.zip");
    const { stdout } = await show({
      ...{ dataPath: images, model: "tiny-image-classification", rows: "1" },
    });
    expect(stdout).to.equal(
      `The model learns the class of each image.\n\n${images}:blue/0.jpg (image): class blue, 12 x 9 pixels, 680 bytes\n`,
    );
  });

  it("counts images as images, of which each is a token", async () => {
    await market.json("update-provider", { unit: "token" });
    const { stdout } = await market.run("calculate-token", {
      datasetPath: join(EXAMPLES, "images.zip"),
      model: "tiny-image-classification",
      provider: market.provider.address,
    });
    expect(stdout)
      .to.match(/^Dataset size: (\d+) images in \1 rows$/m)
      .and.match(/^Work by default: \d+ images × 4 epochs/m)
      .and.not.contain("token");
    await market.json("update-provider", { unit: "byte" });
  });

  it("refuses what it cannot show in one sentence", async () => {
    for (const [flags, exitCode, sentence] of [
      [{ model: undefined }, 2, "--model is missing"],
      [{ rows: "0" }, 2, '--rows is "0", not a whole number of at least 1.'],
      [{ maxSeqLength: "many" }, 2, "--max-seq-length is"],
      [{ from: "9" }, 2, "has no row from line 9 on."],
      [{ dataPath: join(EXAMPLES, "images.zip") }, 3, "would be refused by a provider."],
    ] as const) {
      const run = await show(flags);
      expect(run.exitCode, sentence).to.equal(exitCode);
      expect(run.stderr).to.contain(sentence);
    }
  });
});
