import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { getService } from "../../../sdk/service/getService.ts";
import { exists } from "../../../sdk/storage/exists.ts";
import { listTasks } from "../../../sdk/task/listTasks.ts";
import { rootOfDataset } from "../../../sdk/task/uploadDataset.ts";
import { CommandFixture, startFakeApi } from "./CommandFixture.ts";

const LIMIT = 1_500;
const ROW = '{"prompt":"1+1=","completion":"2"}\n';

/** A catalogue whose provider takes datasets of at most LIMIT bytes. */
const limited = (catalogue: string) =>
  JSON.stringify({ ...JSON.parse(catalogue), maxDatasetBytes: LIMIT });

describe("tasks: datasets larger than a provider takes", () => {
  let market: CommandFixture;
  let large: string;
  let small: string;
  const offer = { price: "0.000000000000000002", unit: "byte", amount: "1" };
  before(async () => {
    market = await CommandFixture.open();
    market.daemon.catalogue = limited(market.daemon.catalogue);
    await market.json("register-provider", { ...offer, url: market.daemon.url });
    await market.json("add-account", { amount: "1" });
    [large, small] = [join(market.folder, "large.jsonl"), join(market.folder, "small.jsonl")];
    await writeFile(large, ROW.repeat(50));
    await writeFile(small, ROW);
  });
  after(() => market.close());

  const refused = async (name: string, flags: object, what: string) => {
    const { stdout, stderr, exitCode } = await market.run(name, { ...flags });
    expect(exitCode, stderr).to.equal(3);
    expect(stderr).to.include(
      `Error: ${what} has 1,750 bytes, but provider ${market.provider.address} takes at most 1,500.\nGive a part of its rows, or choose another provider`,
    );
    expect(stdout).not.to.include("Root hash");
  };
  const at = () => ({ provider: market.provider.address, model: "tiny-qwen2" });

  it("are refused before anything is counted, uploaded or ordered", async () => {
    for (const name of ["quote", "calculate-token"])
      await refused(name, { ...at(), datasetPath: large }, large);
    await refused("upload", { provider: market.provider.address, dataPath: large }, large);
    await refused("fine-tuning create", { ...at(), trainingFile: large, yes: true }, large);
    await refused("fine-tuning create", { model: "tiny-qwen2", trainingFile: large }, large);
    const service = await getService(market.user, { provider: market.provider.address });
    const root = await rootOfDataset(market.user, { service, path: large });
    expect(await exists(market.storageUrl, root)).to.equal(false);
    expect(await listTasks(market.reader, { user: market.user.address })).to.deep.equal([]);
  });

  it("are refused as validation datasets, too", async () => {
    const both = { ...at(), datasetPath: small, validationDatasetPath: large };
    await refused("calculate-token", both, large);
    const files = { ...at(), trainingFile: small, validationFile: large };
    await refused("fine-tuning create", { ...files, nEvals: "1", yes: true }, large);
  });

  it("are refused by create-task, to which their sizes are known in bytes", async () => {
    const configPath = join(market.folder, "config.json");
    await writeFile(configPath, '{"n_epochs": 1, "n_evals": 1}');
    const { root } = await market.json("upload", { dataPath: large });
    const order = { ...at(), configPath, dataset: root, validationDataset: root };
    await refused("create-task", { ...order, dataSize: "35" }, "The dataset");
    const { root: validationDataset } = await market.json("upload", { dataPath: small });
    await refused("create-task", { ...order, validationDataset, dataSize: "1750" }, "The dataset");
  });

  it("of exactly that size are taken", async () => {
    const exact = join(market.folder, "exact.jsonl");
    const text = '{"text":""}\n';
    await writeFile(exact, text.replace('""', `"${"x".repeat(LIMIT - text.length)}"`));
    expect(await market.json("quote", { ...at(), datasetPath: exact })).to.include({
      bytes: LIMIT,
    });
  });

  it("are ordered from another provider, and a note says why", async () => {
    const rival = await startFakeApi(market.stranger);
    const env = { ZG_PRIVATE_KEY: market.chain.accounts[3]!.privateKey };
    await market.run(
      "register-provider",
      { ...offer, price: "0.000000000000000009", url: rival.daemon.url },
      { env },
    );
    const plan = { model: "tiny-qwen2", trainingFile: large, dryRun: true };
    const { stdout, stderr } = await market.run("fine-tuning create", plan);
    expect(stderr).to.include(
      `Left out: ${large} has 1,750 bytes, but provider ${market.provider.address}`,
    );
    expect(stdout).to.include(`Chosen: ${market.stranger.address}`);
    await rival.close();
  });
});
