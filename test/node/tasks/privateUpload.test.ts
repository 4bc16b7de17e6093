import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { openDataset } from "../../../sdk/exchange/openDataset.ts";
import { rootOfFile } from "../../../sdk/storage/root.ts";
import { ENCRYPTION_SECRET } from "../../helpers/MarketFixture.ts";
import { CommandFixture } from "./CommandFixture.ts";

const TEXT = '{"text":"what nobody else may read"}\n'.repeat(20_000);

describe("tasks: uploading for one provider", () => {
  let market: CommandFixture;
  let path: string;
  let root: string;
  before(async () => {
    market = await CommandFixture.open();
    const offer = { url: market.daemon.url, price: "0.000000000000000002", unit: "byte" };
    await market.json("register-provider", { ...offer, amount: "1" });
    path = join(market.folder, "private.jsonl");
    await writeFile(path, TEXT);
  });
  after(() => market.close());

  it("stores only the ciphertext, which the provider's key decrypts", async () => {
    const result = await market.json("upload", {
      dataPath: path,
      provider: market.provider.address,
    });
    root = result.root;
    expect(result.provider).to.equal(market.provider.address);
    expect(result.sent).to.equal(result.size);
    expect(root).to.not.equal((await rootOfFile(path)).root);

    const stored = join(market.folder, "stored");
    await market.json("download", { dataRoot: root, dataPath: stored });
    expect((await readFile(stored)).includes("nobody else")).to.equal(false);
    const opened = join(market.folder, "opened");
    await openDataset(stored, opened, { secret: ENCRYPTION_SECRET });
    expect(await readFile(opened, "utf8")).to.equal(TEXT);
  });

  it("sends nothing the second time, and says what comes next with the root to order with", async () => {
    const { stdout, stderr, exitCode } = await market.run("upload", {
      dataPath: path,
      provider: market.provider.address,
    });
    expect(exitCode).to.equal(0);
    expect(stdout).to.contain(`Root hash: ${root}`);
    expect(stdout).to.contain(`only ${market.provider.address} can read it`);
    expect(stderr).to.contain("nothing was sent");
    expect(stderr).to.contain("calculate-token").and.contain(`--dataset ${root}`);
  });

  it("is remembered by calculate-token, which does not suggest the root of the plain file", async () => {
    const { stderr } = await market.run("calculate-token", {
      datasetPath: path,
      provider: market.provider.address,
      model: "tiny-qwen2",
    });
    expect(stderr).to.match(/--dataset <ROOT_HASH_THAT_UPLOAD_PRINTED> /);
  });

  it("is quoted by its bytes as a validation dataset", async () => {
    const configPath = join(market.folder, "config.json");
    await writeFile(configPath, '{"n_epochs": 4, "n_evals": 2}');
    await market.json("add-account", { amount: "1" });
    const at = { provider: market.provider.address, model: "tiny-qwen2", dryRun: true };
    const evaluations = Math.ceil((TEXT.length * 3 * 3_333) / 10_000);
    const dataSize = String(TEXT.length);
    const order = { dataset: root, dataSize, validationDataset: root, configPath };
    const plan = await market.json("create-task", { ...at, ...order });
    expect(plan.arguments.order.units).to.equal(String(TEXT.length + evaluations));
    const trainingFile = join(market.folder, "train.jsonl");
    await writeFile(trainingFile, '{"text":"public"}\n');
    const flags = { ...at, trainingFile, validationFile: root, nEvals: "2" };
    const other = await market.json("fine-tuning create", flags);
    expect(other.arguments.order.units).to.equal(String(18 + evaluations));
  });

  it("sends nothing for an address that is not a provider", async () => {
    const { exitCode, stderr } = await market.run("upload", {
      dataPath: path,
      provider: market.user.address,
    });
    expect(exitCode).to.not.equal(0);
    expect(stderr).to.contain(market.user.address);
  });
});
