import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { CommandFixture } from "./CommandFixture.ts";

describe("tasks: datasets and their price", () => {
  let market: CommandFixture;
  let good: string;
  let bad: string;
  before(async () => {
    market = await CommandFixture.open();
    const offer = { url: market.daemon.url, price: "0.000000000000000002", unit: "byte" };
    await market.json("register-provider", { ...offer, amount: "1" });
    good = join(market.folder, "good.jsonl");
    bad = join(market.folder, "bad.jsonl");
    await writeFile(
      good,
      '{"prompt":"1+1=","completion":"2"}\n{"prompt":"1+2=","completion":"3"}\n',
    );
    await writeFile(
      bad,
      '{"prompt":"1+1=","completion":""}\n{"prompt":"1+2=","completion":"3"}\nnot json\n',
    );
  });
  after(() => market.close());

  const order = (datasetPath: string) => ({
    provider: market.provider.address,
    model: "tiny-qwen2",
    datasetPath,
  });

  it("accepts a valid dataset, offline", async () => {
    const env = { RPC_ENDPOINT: "http://127.0.0.1:1" };
    const { stdout, exitCode } = await market.run("check-data", { dataPath: good }, { env });
    expect(exitCode).to.equal(0);
    expect(stdout).to.contain("valid dataset for causal-lm: 2 rows");
  });

  it("reports all problems at once with file and line, and exits 3", async () => {
    const { stdout, stderr, exitCode } = await market.run("check-data", { dataPath: bad });
    expect(exitCode).to.equal(3);
    expect(stdout).to.contain(`${bad}:1: error empty-answer`);
    expect(stdout).to.contain(`${bad}:3: error invalid-json`);
    expect(stderr).to.contain("has 2 errors");
  });

  it("prints the same as one document with --json, and still exits 3", async () => {
    const { stdout, exitCode } = await market.run("check-data", { dataPath: bad, json: true });
    expect(exitCode).to.equal(3);
    const report = JSON.parse(stdout);
    expect(report).to.include({ valid: false, errors: 2, rows: 1 });
    expect(report.problems.map((each: { line: number }) => each.line)).to.deep.equal([1, 3]);
  });

  it("checks for the given model, whatever the dataset looks like", async () => {
    const flags = { dataPath: good, model: "tiny-distilbert" };
    expect((await market.run("check-data", flags)).exitCode).to.equal(3);
    const unknown = await market.run("check-data", { dataPath: good, model: "tiny-distilber" });
    expect(unknown.exitCode).to.equal(2);
    expect(unknown.stderr).to.contain('Did you mean "tiny-distilbert"?');
  });

  it("detects rows with labels as a classifier's", async () => {
    const dataPath = join(market.folder, "labels.jsonl");
    await writeFile(dataPath, '{"text":"fine","label":1}\n{"text":"awful","label":0}\n');
    expect(await market.json("check-data", { dataPath })).to.include({
      valid: true,
      kind: "text-classification",
    });
  });

  it("calculates size and fee, and suggests the whole next command", async () => {
    await market.json("upload", { dataPath: good });
    const { stdout, stderr } = await market.run("calculate-token", order(good));
    expect(stdout.split("\n")).to.deep.equal([
      "Dataset size: 70 bytes in 2 rows",
      "Work by default: 70 bytes × 4 epochs × 0.25 (full training of tiny-qwen2)",
      "Fee by default: 0.00000000000000014 OG",
      "",
    ]);
    expect(stderr).to.match(
      /^Next: npx hardhat create-task .*--dataset 0x[0-9a-f]{64} .*--data-size 70\n$/,
    );
    expect(await market.json("calculate-token", order(good))).to.include({
      dataSize: "70",
      units: "70",
      fee: "140",
      bond: "140",
    });
  });

  it("calculates nothing for an invalid dataset", async () => {
    const { stdout, exitCode } = await market.run("calculate-token", order(bad));
    expect(exitCode).to.equal(3);
    expect(stdout).not.to.contain("Fee");
  });

  it("gives the number of steps if the batch size is known, and says so if it is not", async () => {
    const configPath = join(market.folder, "config.json");
    await writeFile(configPath, '{"n_epochs": 3, "batch_size": 2, "packing": false}');
    const quoted = await market.json("quote", { ...order(good), configPath });
    expect(quoted).to.include({ rows: 2, epochs: 3, steps: 3, units: "53", fee: "106" });
    expect(await market.json("quote", order(good))).to.include({ epochs: 4, steps: null });
  });

  it("shows the price as a sum of both datasets that a person can check", async () => {
    const configPath = join(market.folder, "evaluating.json");
    await writeFile(configPath, '{"n_epochs": 3, "n_evals": 2, "lora": true}');
    const flags = { ...order(good), configPath, validationDatasetPath: good };
    const { stdout } = await market.run("quote", flags);
    expect(stdout).to.match(
      /^Work +70 bytes × 3 epochs × 0.6667 \(LoRA on tiny-qwen2\) \+ 70 bytes × 3 evaluations × 0.3333$/m,
    );
    expect(stdout).to.match(/^Units of Work +210$/m);
    expect(stdout).to.match(/^Fee \(neuron\) +420$/m);
    const invalid = await market.run("quote", { ...flags, validationDatasetPath: bad });
    expect(invalid.exitCode).to.equal(3);
  });
});
