import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { parseTaskId } from "../../../sdk/ids.ts";
import { failTask } from "../../../sdk/task/calls.ts";
import { send } from "../../../sdk/transaction/send.ts";
import type { CommandFixture } from "./CommandFixture.ts";
import { deliverModel } from "./deliverModel.ts";
import { FEE, type Orders, openOrders } from "./orders.ts";
import { makeArchive } from "./providerSide.ts";

describe("tasks: the same order repeated", () => {
  let orders: Orders;
  let market: CommandFixture;
  let dataset: string;
  beforeEach(async () => {
    orders = await openOrders();
    ({ market, dataset } = orders);
  });
  afterEach(() => market.close());

  const create = (more?: object) => orders.create(more);
  const ordered = () => orders.ordered();

  it("continues with its task at any time before the end, and pays once", async () => {
    const { id, continued } = await create();
    expect(continued).to.equal(false);
    expect(await create()).to.include({ id, continued: true, transaction: null });
    await orders.accept(id);
    expect(await create()).to.include({ id, continued: true });
    await deliverModel(market, id, await makeArchive(market.folder));
    expect(await create({ again: true })).to.include({ id, continued: true });
    expect(await ordered()).to.deep.equal([1, FEE]);
  });

  it("reports what it found, and when that was ordered", async () => {
    const { id } = await create();
    await market.chain.increaseTime(185);
    const flags = { model: "tiny-qwen2", trainingFile: dataset };
    const { stdout, stderr, exitCode } = await market.run("fine-tuning create", flags);
    expect(exitCode, stderr).to.equal(0);
    expect(stdout).to.equal(
      `You ordered exactly this 3min ago (task ${id}): continuing with it. Nothing is ordered or paid again.\n`,
    );
    expect(stderr).to.contain(`Next: npx hardhat fine-tuning follow ${id}`);
  });

  it("also continues with create-task, although the provider is busy with it or accepts no more tasks", async () => {
    const { id } = await market.json("create-task", orders.createTaskFlags());
    market.daemon.queue = { slots: 1, running: 1, waiting: 0 };
    expect(await market.json("create-task", orders.createTaskFlags())).to.include({
      id,
      continued: true,
    });
    await market.json("update-provider", { accepting: "false" });
    expect(await market.json("create-task", orders.createTaskFlags())).to.include({
      id,
      continued: true,
    });
    expect(await ordered()).to.deep.equal([1, FEE]);
  });

  it("finds its task whichever provider is the cheapest now", async () => {
    const { id } = await create();
    await market.json("update-provider", { accepting: "false" });
    expect(await create()).to.include({ id, continued: true });
  });

  it("treats another dataset, configuration, model, size or validation dataset as another order", async () => {
    const flags = orders.createTaskFlags();
    const first = (await market.json("create-task", flags)).id;
    const other = join(market.folder, "other.json");
    await writeFile(other, '{"n_epochs":3}');
    const rows = await readFile(dataset, "utf8");
    const path = join(market.folder, "another.jsonl");
    await writeFile(path, rows.replace("1+1", "0+2"));
    const another = await market.json("upload", { dataPath: path });
    const labelled = join(market.folder, "labels.jsonl");
    await writeFile(labelled, '{"text":"good","label":"1"}\n{"text":"bad","label":"0"}\n');
    const labels = await market.json("upload", { dataPath: labelled });
    const { root: validationDataset } = await market.json("upload", { dataPath: dataset });
    for (const changed of [
      { dataset: another.root },
      { validationDataset },
      { configPath: other },
      { model: "tiny-distilbert", dataset: labels.root },
      { dataSize: "71" },
    ]) {
      const { id, continued } = await market.json("create-task", { ...flags, ...changed });
      expect(continued, JSON.stringify(changed)).to.equal(false);
      expect(id).not.to.equal(first);
    }
    await writeFile(dataset, `${rows}${rows}`);
    expect(await create()).to.include({ continued: false });
    await writeFile(dataset, rows);
    expect(await create()).to.include({ continued: false });
  });

  it("orders nothing if the model exists, unless --again says so", async () => {
    const { id } = await create();
    await orders.finish(id);
    const flags = { model: "tiny-qwen2", trainingFile: dataset };
    const { stdout, stderr } = await market.run("fine-tuning create", flags);
    expect(stdout).to.contain("its model is ready: nothing is ordered").and.contain("--again");
    expect(stderr).to.contain(`fine-tuning download ${id}`);
    const again = await create({ again: true });
    expect(again).to.include({ continued: false });
    expect(again.id).not.to.equal(id);
    expect(await create({ again: true })).to.include({ id: again.id, continued: true });
  });

  it("writes the finished model again with --wait, without ordering it", async () => {
    const { id } = await create();
    await orders.finish(id);
    const output = join(market.folder, "copy.zip");
    expect(await create({ wait: true, output })).to.include({ id, continued: true, path: output });
    expect(await ordered()).to.deep.equal([1, "0"]);
  });

  it("orders again if the task ended without a model", async () => {
    const { id } = await create();
    await send(
      market.provider,
      failTask(market.provider, { id: parseTaskId(id), reason: "TrainingError" }),
    );
    const second = await create();
    expect(second).to.include({ continued: false });
    expect((await market.run("fine-tuning cancel", { id: second.id })).exitCode).to.equal(0);
    expect(await create()).to.include({ continued: false });
  });

  it("asks to claim first what a missed deadline pays, and then orders again", async () => {
    const { id } = await create();
    await orders.accept(id);
    await market.chain.increaseTime(3_601);
    const { error } = await create();
    expect(error.code).to.equal("task-failed-by-provider");
    expect(error.message).to.contain(`(task ${id}). The provider did not deliver the model by`);
    expect(error.hint).to.contain(`npx hardhat fine-tuning cancel ${id}`);
    await market.json("fine-tuning cancel", { id });
    expect(await create()).to.include({ continued: false });
  });

  it("shows with --dry-run that it would continue", async () => {
    const { id } = await create();
    expect(await create({ dryRun: true })).to.include({ dryRun: true, id, continued: true });
  });

  it("sends the provider the secrets again, as the first run may not have sent them", async () => {
    const env = { WANDB_API_KEY: "wandb0123456789abcdef0123456789abcdef0123", CI: "true" };
    const flags = { model: "tiny-qwen2", trainingFile: dataset, wandbProjectName: "sums" };
    await market.run("fine-tuning create", flags, { env });
    await market.run("fine-tuning create", flags, { env });
    expect(market.daemon.sealed).to.have.length(2);
    expect(await ordered()).to.deep.equal([1, FEE]);
  });
});
