import { access, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { createClient } from "../../../sdk/client.ts";
import { finalize } from "../../../sdk/deliverable/calls.ts";
import { parseTaskId } from "../../../sdk/ids.ts";
import { acceptTask, failTask } from "../../../sdk/task/calls.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { spoilPage } from "../../helpers/spoilPage.ts";
import { CommandFixture } from "./CommandFixture.ts";
import { type DeliveryOptions, deliverModel, revealKey } from "./deliverModel.ts";

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/;
const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

/** A provider's answer about a running task. */
const statusOf = (id: unknown) => ({
  id,
  state: "training",
  queuePosition: null,
  step: 3,
  totalSteps: 10,
  epoch: 0.5,
  loss: 2.5,
  tokensPerSecond: 100,
  secondsLeft: 60,
  failure: null,
  lossBefore: null,
  lossAfter: null,
  accuracyBefore: null,
  accuracyAfter: null,
});

describe("tasks: a fine-tuning task from order to model", () => {
  let market: CommandFixture;
  let order: Record<string, unknown>;
  let root: string;
  before(async () => {
    market = await CommandFixture.open();
    const configPath = join(market.folder, "config.json");
    await writeFile(configPath, JSON.stringify({ n_epochs: 4, learning_rate: 1e-4 }));
    const dataPath = join(market.folder, "train.jsonl");
    await writeFile(dataPath, '{"prompt":"1+1=","completion":"2"}\n');
    root = (await market.json("upload", { dataPath })).root;
    const offer = { url: market.daemon.url, price: "0.000000000000000001", unit: "byte" };
    await market.json("register-provider", { ...offer, amount: "1" });
    order = {
      provider: market.provider.address,
      model: "tiny-qwen2",
      dataset: root,
      configPath,
      dataSize: "179668154",
    };
  });
  after(() => market.close());

  const create = async (): Promise<string> =>
    (await market.json("create-task", { ...order, again: true })).id;
  const flags = (task?: string) => ({
    provider: market.provider.address,
    ...(task ? { task } : {}),
  });

  const deliver = (task: string, model: string, options?: DeliveryOptions) =>
    deliverModel(market, task, Buffer.from(model), options);

  it("refuses an order without money: shows available and required amounts, and the command that helps", async () => {
    const { stdout, stderr, exitCode } = await market.run("create-task", order);
    expect(exitCode).to.equal(4);
    expect(stdout).to.contain("Verify provider...\nProvider verified\n");
    expect(stderr).to.contain("0 OG available");
    expect(stderr).to.contain("add-account --amount 0.1");
    await market.run("add-account", { amount: "1" });
  });

  it("refuses a misspelled hyper-parameter and suggests the right one", async () => {
    const configPath = join(market.folder, "misspelled.json");
    await writeFile(configPath, JSON.stringify({ n_epoch: 2 }));
    const { stderr, exitCode } = await market.run("create-task", { ...order, configPath });
    expect(exitCode).to.equal(2);
    expect(stderr).to.contain("n_epoch").and.contain("n_epochs");
  });

  it("refuses evaluations without a dataset to evaluate on", async () => {
    const configPath = join(market.folder, "evaluating.json");
    await writeFile(configPath, JSON.stringify({ n_evals: 2 }));
    const { stderr, exitCode } = await market.run("create-task", { ...order, configPath });
    expect(exitCode).to.equal(2);
    expect(stderr).to.contain("n_evals").and.contain("--validation-dataset");
  });

  it("refuses a training method that does not fit the stored rows", async () => {
    const configPath = join(market.folder, "method.json");
    await writeFile(configPath, JSON.stringify({ training_method: "simpo" }));
    const { stderr, exitCode } = await market.run("create-task", { ...order, configPath });
    expect(exitCode).to.equal(2);
    expect(stderr).to.contain("training_method is simpo, which learns from preference pairs, but");
    expect(stderr).to.contain("has plain rows.");
  });

  it("refuses a configuration that is not JSON or does not exist", async () => {
    const configPath = join(market.folder, "broken.json");
    await writeFile(configPath, "{n_epochs: 2}");
    for (const path of [configPath, join(market.folder, "none.json")]) {
      const { stderr, exitCode } = await market.run("create-task", { ...order, configPath: path });
      expect(exitCode).to.equal(2);
      expect(stderr).to.contain(path);
    }
  });

  it("orders nothing without an answer: without a terminal and --yes it exits 2", async () => {
    const asked = { ...order, yes: false };
    const { stderr: question, exitCode: refused } = await market.run("create-task", asked);
    expect(refused).to.equal(2);
    expect(question).to.contain("Create the task for 0.000000000179668154 OG?");
    expect(question).to.contain("--yes");
    market.daemon.queue = { slots: 1, running: 1, waiting: 3 };
    const { stderr, exitCode } = await market.run("create-task", asked);
    market.daemon.queue = { slots: 1, running: 0, waiting: 0 };
    expect(exitCode).to.equal(2);
    expect(stderr).to.contain("Provider busy: 1 running, 3 waiting").and.contain("--yes");
    expect(await market.json("list-tasks", flags())).to.deep.equal({ tasks: [] });
  });

  it("compares the declared size with the stored dataset before anything is paid", async () => {
    const plan = { ...order, dryRun: true };
    const small = await market.run("create-task", { ...plan, dataSize: "34" });
    expect(small.exitCode).to.equal(2);
    expect(small.stderr).to.contain("The dataset has 35 bytes, more than the 34 of --data-size");
    expect(small.stderr).to.contain("Order with --data-size 35.");
    const large = await market.run("create-task", { ...plan, dataSize: "70" });
    expect(large.exitCode).to.equal(0);
    expect(large.stderr).to.contain("you pay for the 70 of --data-size");
    const exact = await market.run("create-task", { ...plan, dataSize: "35" });
    expect(exact.stderr).not.to.contain("--data-size");
    const unknown = { ...plan, dataset: `0x${"bb".repeat(32)}` };
    const { stderr, exitCode } = await market.run("create-task", unknown);
    expect(exitCode).to.equal(1);
    expect(stderr).to.contain(unknown.dataset);
  });

  it("shows an order with --dry-run and places none", async () => {
    const plan = await market.json("create-task", { ...order, dryRun: true });
    expect(plan).to.include({ dryRun: true, verb: "createTask" });
    expect(plan.arguments.order).to.include({
      provider: market.provider.address,
      datasetRoot: root,
      units: "179668154",
    });
    expect(plan.arguments.order.config).to.deep.equal({ learning_rate: 0.0001, n_epochs: 4 });
    expect(await market.json("list-tasks", flags())).to.deep.equal({ tasks: [] });
  });

  it("creates a task with the documented output, and shows the quote before the money leaves", async () => {
    const { stdout, stderr, exitCode } = await market.run("create-task", order);
    expect(exitCode).to.equal(0);
    const lines = stdout.trimEnd().split("\n");
    expect(lines.slice(0, 2)).to.deep.equal(["Verify provider...", "Provider verified"]);
    expect(lines.at(-2)).to.equal("Creating task...");
    expect(lines.at(-1)).to.match(new RegExp(`^Created Task ID: ${UUID.source}$`));
    expect(stdout).to.match(/^Fee \(neuron\) +179668154$/m);
    expect(stderr).to.contain("Next: npx hardhat get-task");
  });

  it("pays the given gas price", async () => {
    const gasPrice = "7000000000";
    await market.json("deposit", { amount: "0.1", gasPrice });
    const client = createClient({ ...market.chain, storageUrl: "" });
    const block = await client.provider.getBlock("latest", true);
    client.provider.destroy();
    expect(block!.prefetchedTransactions[0]!.gasPrice.toString()).to.equal(gasPrice);
    const refused = await market.run("deposit", { amount: "0.1", gasPrice: "cheap" });
    expect(refused.exitCode).to.equal(2);
  });

  it("refuses another one while the first is open", async () => {
    const other = { ...order, dataSize: "179668155" };
    const { stderr, exitCode } = await market.run("create-task", other);
    expect(exitCode).to.equal(7);
    expect(stderr).to.contain("open task");
  });

  it("shows the task as the documentation does", async () => {
    const { stdout } = await market.run("get-task", flags(), { terminal: 200 });
    const rows = stdout.split("\n").filter((line) => line.startsWith("│"));
    const fields = rows.map((row) => row.slice(2, 36).trim());
    expect(fields).to.deep.equal([
      "Field",
      "ID",
      "Created At",
      "Pre-trained Model Hash",
      "Dataset Hash",
      "Training Params",
      "Fee (neuron)",
      "Progress",
    ]);
    expect(stdout.split("\n")[0]).to.equal(`┌${"─".repeat(35)}┬${"─".repeat(85)}┐`);
    expect(rows.at(-2)).to.equal(`│ ${"Fee (neuron)".padEnd(33)} │ ${"179668154".padEnd(83)} │`);
    expect(rows.at(-1)).to.equal(`│ ${"Progress".padEnd(33)} │ ${"Init".padEnd(83)} │`);
  });

  it("finds a task by the start of its id, and reports if there is none", async () => {
    const { id } = await market.json("get-task", flags());
    expect(await market.json("get-task", flags(id.slice(0, 6)))).to.include({ id });
    expect(await market.json("get-task", { task: id })).to.include({ id });
    const none = await market.run("get-task", flags("zz"));
    expect(none.exitCode).to.equal(1);
    expect(none.stderr).to.contain('"zz"');
  });

  it("says why the provider will not accept an order, and how to get the fee back", async () => {
    const { id } = await market.json("get-task", flags());
    const message = "The dataset has 9 tokens, more than the 5 declared.";
    const failure = { code: "DatasetLargerThanDeclared", message, hint: "Count it." };
    market.daemon.status = { ...statusOf(id), progress: "Failed", failure };
    const shown = await market.json("get-task", flags());
    expect(shown).to.include({ progress: "Failed", state: "Created" });
    expect((shown.failure as { message: string }).message).to.include(message);
    const waited = await market.run("get-task", { ...flags(), wait: true, timeout: "20" });
    expect(waited.exitCode).to.equal(7);
    expect(waited.stderr).to.contain("is not accepted").and.to.contain("cancel-task --provider");
    market.daemon.status = undefined;
  });

  it("names the open task that keeps the provider from another one, before anything is asked", async () => {
    const { id } = await market.json("get-task", flags());
    const asked = { ...order, dataSize: "5", yes: false };
    const { stderr, stdout, exitCode } = await market.run("create-task", asked);
    expect(exitCode).to.equal(7);
    expect(stderr).to.contain(`which allows 1 at a time: ${id} (Init).`);
    expect(stderr).to.contain(`get-task --task ${id}`);
    expect(stdout).not.to.contain("Quote");
  });

  it("cancels a task that nobody accepted, and can then create another", async () => {
    const { id } = await market.json("cancel-task", flags());
    expect(await market.json("get-task", flags(id))).to.include({
      progress: "Failed",
      state: "Cancelled",
    });
    const next = await create();
    const { tasks } = await market.json("list-tasks", flags());
    expect(tasks.map((task: { id: string }) => task.id)).to.deep.equal([id, next]);
    await send(market.provider, acceptTask(market.provider, { id: parseTaskId(next) }));
    const refused = await market.run("cancel-task", flags());
    expect(refused.exitCode).to.equal(7);
    expect(refused.stderr).to.contain("can no longer be cancelled");
  });

  it("shows the progress that the provider reports, and never more than the chain does", async () => {
    const { id } = await market.json("get-task", flags());
    const status = statusOf(id);
    market.daemon.status = { ...status, progress: "Training" };
    expect(await market.json("get-task", flags())).to.include({ progress: "Training" });
    market.daemon.status = { ...status, progress: "Finished" };
    expect(await market.json("get-task", flags())).to.include({ progress: "SettingUp" });
    market.daemon.status = undefined;
    expect(await market.json("get-task", flags())).to.include({ progress: "SettingUp" });
  });

  it("prints the provider's log", async () => {
    market.daemon.log = ["creating task....", "Step: 0, Logs: {'loss': 2.5}\u001b[2J"];
    const { stdout } = await market.run("get-log", flags());
    expect(stdout).to.equal("creating task....\nStep: 0, Logs: {'loss': 2.5} [2J\n");
    expect((await market.json("get-log", flags())).lines).to.have.length(2);
  });

  it("stops waiting after --timeout with exit code 8", async () => {
    const { stderr, exitCode } = await market.run("get-task", {
      ...flags(),
      wait: true,
      timeout: "1",
    });
    expect(exitCode).to.equal(8);
    expect(stderr).to.contain("still SettingUp");
  });

  it("reports that there is nothing to acknowledge before the delivery", async () => {
    const dataPath = join(market.folder, "early");
    const { stderr, exitCode } = await market.run("acknowledge-model", { ...flags(), dataPath });
    expect(exitCode).to.equal(1);
    expect(stderr).to.contain("has not delivered");
  });

  it("waits until the model is delivered, acknowledges, and decrypts it to the last byte", async () => {
    const { id } = await market.json("get-task", flags());
    const root = await deliver(id, "PK a model");
    expect(await market.json("get-task", { ...flags(), wait: true, timeout: "600" })).to.include({
      progress: "Delivered",
      root,
    });

    const encryptedModel = join(market.folder, `${id}.encrypted`);
    const output = join(market.folder, "model_output.zip");
    const early = await market.run("decrypt-model", { ...flags(), encryptedModel, output });
    expect(early.exitCode).to.equal(1);
    expect(early.stderr).to.contain("The provider has not revealed the key yet");

    const acknowledged = await market.json("acknowledge-model", {
      ...flags(),
      dataPath: market.folder,
    });
    expect(acknowledged).to.include({ id, root, path: encryptedModel });
    expect(await market.json("get-task", flags())).to.include({ progress: "UserAcknowledged" });
    const { deliverables } = await market.json("get-sub-account", flags());
    expect(deliverables).to.deep.equal([{ taskId: id, root, confirmed: true }]);

    await revealKey(market, id);
    const notZip = await market.run("decrypt-model", {
      ...flags(),
      encryptedModel,
      output: "a.tar",
    });
    expect(notZip.exitCode).to.equal(2);
    expect(notZip.stderr).to.contain(".zip");
    const decrypted = await market.run("decrypt-model", { ...flags(), encryptedModel, output });
    expect(decrypted.exitCode, decrypted.stderr).to.equal(0);
    expect(decrypted.stdout).to.contain("Confirmed on chain");
    expect(await readFile(output, "utf8")).to.equal("PK a model");
    expect(await market.json("get-task", flags())).to.include({
      progress: "Finished",
      state: "Settled",
      paid: "179668154",
    });
    const again = await market.run("decrypt-model", { ...flags(), encryptedModel, output });
    expect(again.exitCode).to.equal(0);
    expect(again.stdout).to.contain("already settled");
  });

  /** A task whose key is revealed, with the model at `path`. */
  const createRevealed = async (options: { isSpoiled: boolean }) => {
    const id = await create();
    await send(market.provider, acceptTask(market.provider, { id: parseTaskId(id) }));
    await deliver(id, "PK another model", options);
    const { path } = await market.json("acknowledge-model", {
      ...flags(id),
      dataPath: market.folder,
    });
    await revealKey(market, id);
    return { id, path, output: join(market.folder, `${id}.zip`) };
  };

  it("proves automatically that the provider delivered something else, and shows what is paid back", async () => {
    const { id, path, output } = await createRevealed({ isSpoiled: true });
    const before = await market.json("get-account");
    const proving = { ...flags(id), encryptedModel: path, output, json: true };
    const { stdout, stderr, exitCode } = await market.run("decrypt-model", proving);
    expect(exitCode, stderr).to.equal(5);
    expect(stderr).to.contain("Page 0 of the deliverable is not what the provider committed to");
    const document = JSON.parse(stdout);
    expect(document).to.include({ id, page: 0, refund: "179668154" });
    expect(document.transaction).to.match(/^0x[0-9a-f]{64}$/);
    expect(document.error.code).to.equal("task-failed-by-provider");
    expect(await exists(output)).to.equal(false);
    expect(await market.json("get-task", flags(id))).to.include({
      state: "Slashed",
      progress: "Failed",
    });
    const now = await market.json("get-account");
    const gained = BigInt(now.available) - BigInt(before.available);
    expect(gained.toString()).to.equal(document.compensation);
    expect(gained > 0n).to.equal(true);

    const again = await market.run("decrypt-model", { ...proving, json: false });
    expect(again.exitCode).to.equal(5);
    expect(again.stderr).to.contain("is not what the provider committed to");

    expect((await market.run("create-task", { ...order, again: true })).stderr).to.contain(
      "does not accept tasks",
    );
    const updated = await market.json("update-provider", { accepting: "true" });
    expect(updated.terms).to.include({ accepting: true });
  });

  it("can prove nothing after the dispute period, and does not confirm either", async () => {
    const { id, path, output } = await createRevealed({ isSpoiled: true });
    const decrypt = () =>
      market.run("decrypt-model", { ...flags(id), encryptedModel: path, output });
    await market.chain.increaseTime(market.chain.parameters.disputePeriod + 1n);
    const late = await decrypt();
    expect(late.exitCode).to.equal(1);
    expect(late.stderr).to.contain("The deadline");
    await send(market.provider, finalize(market.provider, { ids: [parseTaskId(id)] }));
    const paid = await decrypt();
    expect(paid.exitCode).to.equal(10);
    expect(paid.stderr).to.contain("the provider was already paid");
    expect(await exists(output)).to.equal(false);
  });

  it("recognizes a model that was corrupted on this machine, and sends nothing", async () => {
    const { id, path, output } = await createRevealed({ isSpoiled: false });
    const decrypt = () =>
      market.run("decrypt-model", { ...flags(id), encryptedModel: path, output });
    await spoilPage(path, 0);
    const damaged = await decrypt();
    expect(damaged.exitCode).to.equal(10);
    expect(damaged.stderr).to.contain("Download it again: npx hardhat acknowledge-model");
    expect(await market.json("get-task", flags(id))).to.include({ state: "Revealed" });
    expect(await exists(output)).to.equal(false);

    const again = { ...flags(id), dataPath: path };
    const kept = await market.run("acknowledge-model", again);
    expect(kept.stderr).to.contain(`${path} already exists and holds something else.`);
    const repaired = await market.json("acknowledge-model", { ...again, force: true });
    expect(repaired).to.include({ id, path });
    expect((await decrypt()).exitCode).to.equal(0);
    expect(await readFile(output, "utf8")).to.equal("PK another model");
  });

  it("exits 6 if the task failed by its input, 5 if the provider failed, and says why", async () => {
    for (const [reason, exitCode] of [
      ["DatasetInvalid", 6],
      ["TrainingError", 5],
    ] as const) {
      const id = await create();
      await send(market.provider, failTask(market.provider, { id: parseTaskId(id), reason }));
      const waited = await market.run("get-task", { ...flags(), wait: true, timeout: "600" });
      expect(waited.exitCode).to.equal(exitCode);
      expect(waited.stderr).to.contain(reason);
    }
  });
});
