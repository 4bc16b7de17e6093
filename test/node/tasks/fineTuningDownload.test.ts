import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { parseTaskId } from "../../../sdk/ids.ts";
import { acceptTask } from "../../../sdk/task/calls.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { spoilPage } from "../../helpers/spoilPage.ts";
import { CommandFixture } from "./CommandFixture.ts";
import { deliverModel, revealKey } from "./deliverModel.ts";
import { acknowledged, makeArchive, nextTask } from "./providerSide.ts";

const ROWS = '{"prompt":"1+1=","completion":"2"}\n{"prompt":"1+2=","completion":"3"}\n';

describe("tasks: fine-tuning download, and create --wait", () => {
  let market: CommandFixture;
  let dataset: string;
  let archive: Buffer;
  before(async () => {
    market = await CommandFixture.open();
    dataset = join(market.folder, "train.jsonl");
    await writeFile(dataset, ROWS);
    archive = await makeArchive(market.folder);
    const offer = { url: market.daemon.url, price: "0.000000000000000002", unit: "byte" };
    await market.json("register-provider", { ...offer, openTasks: "50", amount: "1" });
    await market.json("add-account", { amount: "1" });
  });
  after(() => market.close());

  const order = () => ({ model: "tiny-qwen2", trainingFile: dataset });
  /** Every order is different, as an identical one would continue with the same task. */
  let orders = 0;
  const create = async (more: object = { seed: String(orders++) }) =>
    (await market.json("fine-tuning create", { ...order(), ...more })).id as string;
  const accept = (id: string) =>
    send(market.provider, acceptTask(market.provider, { id: parseTaskId(id) }));
  const delivered = async (more?: object, options = {}) => {
    const id = await create(more);
    await accept(id);
    await deliverModel(market, id, archive, options);
    return id;
  };
  const out = (name: string) => join(market.folder, name);

  describe("download", () => {
    const download = (id: string, more: object = {}) =>
      market.run("fine-tuning download", { id, ...more });

    it("reports that it is too early before the delivery", async () => {
      const id = await create();
      const { stderr, exitCode } = await download(id, { output: out("early.zip") });
      expect(exitCode).to.equal(1);
      expect(stderr).to.contain("has not delivered");
      expect(stderr).to.contain(`fine-tuning follow ${id}`);
    });

    it("waits for the delivery if it is given the time", async () => {
      const id = await create();
      const output = out("waited.zip");
      const late = await download(id, { output, timeout: "1" });
      expect(late.exitCode).to.equal(8);
      expect(late.stderr).to.contain("The task is still Init.");
      const waiting = download(id, { output, timeout: "120" });
      await accept(id);
      await deliverModel(market, id, archive);
      await acknowledged(market, id);
      await revealKey(market, id);
      const { stdout, stderr, exitCode } = await waiting;
      expect(exitCode, stderr).to.equal(0);
      expect(stdout).to.contain(`Model written to ${output}.`);
      expect(stdout).to.contain("Cost: 0.00000000000000014 OG.");
    });

    it("acknowledges, waits for the key, decrypts, confirms and writes, in one command", async () => {
      const id = await delivered();
      const output = out("model.tar.zst");
      const early = await download(id, { output, timeout: "1" });
      expect(early.exitCode, early.stderr).to.equal(8);
      expect(early.stdout).to.contain("Acknowledged.");
      await revealKey(market, id);
      const { stdout, stderr, exitCode } = await download(id, { output });
      expect(exitCode, stderr).to.equal(0);
      expect(stdout).not.to.contain("Encrypted model downloaded");
      expect(stdout).to.contain("Confirmed on chain").and.contain(`Model written to ${output}.`);
      expect(await market.json("get-task", { task: id })).to.include({ state: "Settled" });
      const left = await readdir(market.folder);
      expect(left.filter((name) => name.startsWith(id))).to.deep.equal([]);

      execFileSync("tar", ["-xf", output, "-C", market.folder]);
      const model = await readFile(out("tiny-qwen2/model.safetensors"), "utf8");
      expect(model).to.equal("the latest weights");

      const again = await download(id, { output });
      expect(again).to.include({ exitCode: 0 });
      expect(again.stdout).to.equal(`${output} already contains this model.\n`);
    });

    it("names the file after model and suffix, and writes it into the given directory", async () => {
      const id = await delivered({ suffix: "sums" });
      const waiting = download(id, { output: market.folder, json: true });
      await acknowledged(market, id);
      await revealKey(market, id);
      const { stdout, exitCode } = await waiting;
      expect(exitCode).to.equal(0);
      const document = JSON.parse(stdout);
      expect(document).to.include({ id, path: out("tiny-qwen2-sums.tar.zst"), step: null });
      expect(document.acknowledged).to.match(/^0x/);
      expect(document.confirmed).to.match(/^0x/);
    });

    it("continues after an interruption at any point", async () => {
      const id = await delivered();
      const output = out("resumed.zip");
      // as after a crash while decrypting: the download is complete, the decrypted file is not
      await download(id, { output, timeout: "1" });
      await revealKey(market, id);
      await writeFile(out(`${id}.decrypted.part`), "half");
      await writeFile(out("resumed.zip.part"), "half");
      expect((await download(id, { output })).exitCode).to.equal(0);
      // as after a crash between the confirmation and the file
      const late = out("late.zip");
      const { stdout, exitCode } = await download(id, { output: late });
      expect(exitCode).to.equal(0);
      expect(stdout).to.contain("already settled");
      expect(await readFile(late)).to.deep.equal(await readFile(output));
      expect((await download(id, { output: late })).stdout).to.contain(
        "already contains this model",
      );
    });

    it("writes the checkpoint of a step, and lists the existing steps for any other", async () => {
      const id = await delivered();
      await download(id, { output: out("c.zip"), timeout: "1" });
      await revealKey(market, id);
      const unknown = await download(id, { output: out("c.zip"), step: "3" });
      expect(unknown.exitCode).to.equal(2);
      expect(unknown.stderr).to.contain("Choose one of these steps: 2, 4.");
      for (const [step, weights] of [
        ["2", "the weights of step 2"],
        ["4", "the latest weights"],
      ] as const) {
        const output = out(`step-${step}.tar.zst`);
        expect((await download(id, { output, step })).exitCode).to.equal(0);
        const folder = out(`step-${step}`);
        await mkdir(folder);
        execFileSync("tar", ["-xf", output, "-C", folder]);
        const path = join(folder, "tiny-qwen2", "model.safetensors");
        expect(await readFile(path, "utf8")).to.equal(weights);
      }
    });

    it("refuses a step that the provider has not reported, before anything is paid", async () => {
      const id = await delivered();
      const time = "2026-01-01T00:00:00.000Z";
      market.daemon.events = [{ seq: 1, time, type: "checkpoint", step: 4 }];
      const unknown = await download(id, { output: out("unpaid.zip"), step: "3" });
      market.daemon.events = [];
      expect(unknown.exitCode).to.equal(2);
      expect(unknown.stderr).to.contain("Choose one of these steps: 4.");
      expect(await market.json("get-task", { task: id })).to.include({ state: "Delivered" });
    });

    it("never overwrites anything but this model, and refuses extensions that it cannot write", async () => {
      const id = await delivered();
      const other = out("other.zip");
      await writeFile(other, "my only copy");
      const refused = await download(id, { output: other });
      expect(refused.exitCode).to.equal(2);
      expect(await readFile(other, "utf8")).to.equal("my only copy");
      expect((await download(id, { output: out("model.rar") })).exitCode).to.equal(2);
      expect((await download(id, { step: "last" })).exitCode).to.equal(2);
      expect(await market.json("get-task", { task: id })).to.include({ state: "Delivered" });
    });

    it("proves misbehaviour automatically", async () => {
      const id = await delivered(undefined, { isSpoiled: true });
      const output = out("spoiled.zip");
      await download(id, { output, timeout: "1" });
      await revealKey(market, id);
      const { stdout, exitCode } = await download(id, { output, json: true });
      expect(exitCode).to.equal(5);
      expect(JSON.parse(stdout).error.code).to.equal("task-failed-by-provider");
      expect(await market.json("get-task", { task: id })).to.include({ state: "Slashed" });
      expect((await download(id, { output })).exitCode).to.equal(5);
      // Until the provider has updated its terms, nothing can be ordered from it.
      await market.json("update-provider", { accepting: "true" });
    });

    it("fetches again what was corrupted on this machine", async () => {
      const id = await delivered();
      const output = out("repaired.zip");
      await download(id, { output, timeout: "1" });
      await spoilPage(out(`${id}.encrypted`), 0);
      await revealKey(market, id);
      expect((await download(id, { output })).exitCode).to.equal(0);
    });

    it("shows with --dry-run the transaction that comes next", async () => {
      const id = await delivered();
      const plan = () => market.json("fine-tuning download", { id, dryRun: true });
      expect(await plan()).to.include({ dryRun: true, verb: "acknowledge" });
      await download(id, { output: out("planned.zip"), timeout: "1" });
      expect(await plan()).to.include({ dryRun: true, transaction: null });
      await revealKey(market, id);
      expect(await plan()).to.include({ dryRun: true, verb: "confirm" });
    });
  });

  describe("create --wait", () => {
    it("follows to the decrypted model", async () => {
      const { tasks } = await market.json("fine-tuning list");
      const folder = process.cwd();
      process.chdir(market.folder); // the model's default path
      const flags = { ...order(), wait: true, timeout: "600", suffix: "waited", json: true };
      const created = market.run("fine-tuning create", flags);
      const id = await nextTask(market, tasks.length);
      await accept(id);
      await deliverModel(market, id, archive);
      await acknowledged(market, id);
      await revealKey(market, id);
      const { stdout, exitCode, stderr } = await created;
      process.chdir(folder);
      expect(exitCode, stderr).to.equal(0);
      const document = JSON.parse(stdout);
      expect(document).to.include({ id, path: "tiny-qwen2-waited.tar.zst" });
    });
  });
});
