import { spawn } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { type Client, createClient } from "../../../sdk/client.ts";
import { parseTaskId, type Root } from "../../../sdk/ids.ts";
import { fetchCatalogue } from "../../../sdk/service/fetchCatalogue.ts";
import { getService } from "../../../sdk/service/getService.ts";
import { acceptTask } from "../../../sdk/task/acceptTask.ts";
import { createTask } from "../../../sdk/task/createTask.ts";
import { failTask } from "../../../sdk/task/failTask.ts";
import { prepareOrder } from "../../../sdk/task/prepareOrder.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { sendOrder } from "../../../tasks/sendOrder.ts";
import { createTerminal } from "../../../tasks/terminal.ts";
import { RpcProxy } from "../../faults/RpcProxy.ts";
import type { Random } from "../../faults/seededRandom.ts";
import { rejection } from "../../helpers/rejection.ts";
import { deliverModel, revealKey } from "./deliverModel.ts";
import { type Market, openMarket } from "./market.ts";
import { acknowledged, makeArchive, nextTask } from "./providerSide.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const HARDHAT = join(ROOT, "node_modules/hardhat/dist/src/cli.js");
const ROWS = '{"prompt":"1+1=","completion":"2"}\n{"prompt":"1+2=","completion":"3"}\n';
const FEE = "140";
const DATASET = `0x${"aa".repeat(32)}` as Root;

/** Strikes at every call that a fault is about, as long as it may. */
const always: Random = {
  next: () => 0,
  integer: (from) => from,
  pick: (choices) => choices[0]!,
};

describe("tasks: the same order typed again", () => {
  let market: Market;
  let dataset: string;
  let configPath: string;
  beforeEach(async () => {
    market = await openMarket();
    dataset = join(market.folder, "train.jsonl");
    configPath = join(market.folder, "config.json");
    await writeFile(dataset, ROWS);
    await writeFile(configPath, '{"n_epochs":2}');
    const offer = { url: market.daemon.url, price: "0.000000000000000002", unit: "byte" };
    await market.json("register-provider", {
      ...offer,
      openTasks: "50",
      maxTrainingTime: "3600",
      amount: "1",
    });
    await market.json("add-account", { amount: "1" });
  });
  afterEach(() => market.close());

  const create = (more: object = {}) =>
    market.json("fine-tuning create", { model: "tiny-qwen2", trainingFile: dataset, ...more });
  const createTaskFlags = () => ({
    provider: market.provider,
    model: "tiny-qwen2",
    dataset: DATASET,
    configPath,
    dataSize: "70",
  });
  const accept = (id: string) =>
    market.act((client) => acceptTask(client, { id: parseTaskId(id) }));
  /** Number of tasks, and neuron reserved for them. */
  const ordered = async () => {
    const { tasks } = await market.json("fine-tuning list");
    const { reserved } = await market.json("get-sub-account", { provider: market.provider });
    return [tasks.length, reserved];
  };
  const finish = async (id: string) => {
    await accept(id);
    await deliverModel(market, id, await makeArchive(market.folder));
    const output = join(market.folder, `${id}.zip`);
    const fetched = market.json("fine-tuning download", { id, output });
    await acknowledged(market, id);
    await revealKey(market, id);
    return fetched;
  };
  const connect = (rpcUrl: string): Client => {
    const { deployment, accounts } = market.chain;
    const { privateKey } = accounts[2]!;
    const storageUrl = market.env.STORAGE_ENDPOINT!;
    return createClient({ rpcUrl, deployment, storageUrl, privateKey, pollingInterval: 20 });
  };

  it("continues with its task at any time before the end, and pays once", async () => {
    const { id, continued } = await create();
    expect(continued).to.equal(false);
    expect(await create()).to.include({ id, continued: true, transaction: null });
    await accept(id);
    expect(await create()).to.include({ id, continued: true });
    await deliverModel(market, id, await makeArchive(market.folder));
    expect(await create({ again: true })).to.include({ id, continued: true });
    expect(await ordered()).to.deep.equal([1, FEE]);
  });

  it("says what it found, and when that was ordered", async () => {
    const { id } = await create();
    await market.chain.increaseTime(185);
    const flags = { model: "tiny-qwen2", trainingFile: dataset };
    const { stdout, stderr, exitCode } = await market.run("fine-tuning create", flags);
    expect(exitCode, stderr).to.equal(0);
    expect(stdout).to.equal(
      `You ordered exactly this 3min ago (task ${id}): continuing with it. Nothing is ordered or paid again.\n`,
    );
    expect(stderr).to.contain(`Next: npx hardhat fine-tuning list-events ${id}`);
  });

  it("continues with create-task, too, although the provider is busy with it or takes no more tasks", async () => {
    const { id } = await market.json("create-task", createTaskFlags());
    market.daemon.queue = { slots: 1, running: 1, waiting: 0 };
    expect(await market.json("create-task", createTaskFlags())).to.include({ id, continued: true });
    await market.json("update-provider", { accepting: "false" });
    expect(await market.json("create-task", createTaskFlags())).to.include({ id, continued: true });
    expect(await ordered()).to.deep.equal([1, FEE]);
  });

  it("finds its task whichever provider the price would choose now", async () => {
    const { id } = await create();
    await market.json("update-provider", { accepting: "false" });
    expect(await create()).to.include({ id, continued: true });
  });

  it("takes another dataset, configuration, model, size or validation for another order", async () => {
    const flags = createTaskFlags();
    const first = (await market.json("create-task", flags)).id;
    const other = join(market.folder, "other.json");
    await writeFile(other, '{"n_epochs":3}');
    for (const changed of [
      { dataset: `0x${"bb".repeat(32)}` },
      { validationDataset: `0x${"cc".repeat(32)}` },
      { configPath: other },
      { model: "tiny-distilbert" },
      { dataSize: "71" },
    ]) {
      const { id, continued } = await market.json("create-task", { ...flags, ...changed });
      expect(continued, JSON.stringify(changed)).to.equal(false);
      expect(id).not.to.equal(first);
    }
    await writeFile(dataset, `${ROWS}${ROWS}`);
    expect(await create()).to.include({ continued: false });
    await writeFile(dataset, ROWS);
    expect(await create()).to.include({ continued: false });
  });

  it("orders nothing when the model is there, unless --again says so", async () => {
    const { id } = await create();
    await finish(id);
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
    await finish(id);
    const output = join(market.folder, "copy.zip");
    expect(await create({ wait: true, output })).to.include({ id, continued: true, path: output });
    expect(await ordered()).to.deep.equal([1, "0"]);
  });

  it("orders anew when the task ended without a model", async () => {
    const { id } = await create();
    await market.act((client) =>
      failTask(client, { id: parseTaskId(id), reason: "TrainingError" }),
    );
    const second = await create();
    expect(second).to.include({ continued: false });
    expect((await market.run("fine-tuning cancel", { id: second.id })).exitCode).to.equal(0);
    expect(await create()).to.include({ continued: false });
  });

  it("asks to claim first what a missed deadline brings, and then orders anew", async () => {
    const { id } = await create();
    await accept(id);
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

  it("sends the provider the keys again, which the first run may not have done", async () => {
    const env = { WANDB_API_KEY: "wandb0123456789abcdef0123456789abcdef0123", CI: "true" };
    const flags = { model: "tiny-qwen2", trainingFile: dataset, wandbProjectName: "sums" };
    await market.run("fine-tuning create", flags, { env });
    await market.run("fine-tuning create", flags, { env });
    expect(market.daemon.sealed).to.have.length(2);
    expect(await ordered()).to.deep.equal([1, FEE]);
  });

  /** Types the order in a process of its own, and Ctrl-C as soon as it has said `until`. */
  const interrupt = async (until: RegExp, more: readonly string[] = []) => {
    const words = ["fine-tuning", "create", "--model", "tiny-qwen2", "--training-file", dataset];
    const child = spawn(process.execPath, [HARDHAT, ...words, ...more], {
      cwd: ROOT,
      env: { PATH: process.env.PATH, HOME: market.folder, CI: "true", ...market.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (text) => {
        said += text;
        if (until.test(said) && !child.killed) child.kill("SIGINT");
      });
    }
    const exitCode = await new Promise<number | null>((done) => child.once("close", done));
    return { said, exitCode };
  };

  it("goes on after Ctrl-C while waiting: one task, one fee, one model", async () => {
    const { said, exitCode } = await interrupt(/^Init$/m, ["--wait"]); // the waiting has begun
    expect(exitCode, said).to.equal(7);
    expect(said).to.contain("Type the same command again to continue");
    const id = await nextTask(market, 0);
    await accept(id);
    await deliverModel(market, id, await makeArchive(market.folder));
    const output = join(market.folder, "model.zip");
    const waiting = create({ wait: true, output });
    await acknowledged(market, id);
    await revealKey(market, id);
    expect(await waiting).to.include({ id, continued: true, path: output });
    expect(await ordered()).to.deep.equal([1, "0"]);
  });

  describe("while the transaction is not in a block yet", () => {
    let client: Client;
    beforeEach(async () => {
      client = connect(market.chain.rpcUrl);
      await client.provider.send("evm_setAutomine", [false]);
    });
    afterEach(() => client.provider.destroy());

    it("says after Ctrl-C that it is not known, and that typing it again is safe", async () => {
      const { said, exitCode } = await interrupt(/^Creating task\.\.\.$/m);
      expect(exitCode, said).to.equal(7);
      expect(said).to.contain("It is not known whether task").and.contain("never paid twice");
    });

    it("waits for it when it is typed again, and does not say that there is an open task", async () => {
      const prepared = await prepare(client);
      const { to, data } = createTask(client, prepared);
      const { hash } = await client.signer!.sendTransaction({ to, data });
      const notes: string[] = [];
      const note = (line: string) => {
        notes.push(line);
        void market.chain.mine();
      };
      const placed = await sendOrder(client, prepared, flags, { ...terminal, note });
      expect(notes).to.have.length(1);
      expect(placed).to.include({ transaction: hash });
      expect(await ordered()).to.deep.equal([1, FEE]);
    });
  });

  const flags = { gasPrice: undefined, dryRun: false, json: true };
  const terminal = { ...createTerminal(flags), note: () => {} };
  const NO_PATIENCE = { patience: 20 };
  const prepare = async (client: Client, config = {}) => {
    const service = await getService(client, { provider: market.provider });
    const { models } = await fetchCatalogue(service);
    const [model, units, maxFee] = [models[0]!, 70n, 140n];
    return prepareOrder(client, { service, model, datasetRoot: DATASET, units, maxFee, config });
  };

  describe("when the answer to the transaction is lost", () => {
    let proxy: RpcProxy;
    afterEach(() => proxy?.close());

    it("finds the task on chain: exactly one task and one fee, however often it is typed", async () => {
      proxy = await RpcProxy.start(market.chain.rpcUrl, "answer lost", always);
      const env = { RPC_ENDPOINT: proxy.url };
      for (const [name, flags] of [
        ["create-task", createTaskFlags()],
        ["fine-tuning create", { model: "tiny-qwen2", trainingFile: dataset }],
      ] as const) {
        const before = proxy.strikes;
        const lost = await market.run(name, { ...flags, json: true }, { env });
        expect(lost.exitCode, lost.stderr).to.equal(0);
        expect(proxy.strikes).to.equal(before + 1);
        const { id, transaction } = JSON.parse(lost.stdout);
        expect(transaction).to.match(/^0x[0-9a-f]{64}$/);
        for (let times = 0; times < 2; times++) {
          expect(await market.json(name, flags)).to.include({ id, continued: true });
        }
      }
      expect(await ordered()).to.deep.equal([2, String(2 * Number(FEE))]);
    });

    it("says what is not known and that the same command is safe, when nobody can tell", async () => {
      proxy = await RpcProxy.start(market.chain.rpcUrl, "delay", always);
      const client = connect(proxy.url);
      try {
        const prepared = await prepare(client);
        await proxy.close();
        const error = await rejection(sendOrder(client, prepared, flags, terminal, NO_PATIENCE));
        expect(error.code).to.equal("network");
        expect(error.message).to.contain("It is not known whether task");
        expect(error.hint).to.contain("Type the same command again").and.contain("never paid");
      } finally {
        client.provider.destroy();
      }
    });

    it("takes the task of a faster run of the same command for its own, and no other task", async () => {
      const client = connect(market.chain.rpcUrl);
      try {
        const [mine, other] = [await prepare(client), await prepare(client, { n_epochs: 9 })];
        await send(client, createTask(client, mine));
        const placed = await sendOrder(client, mine, flags, terminal, NO_PATIENCE);
        expect(placed).to.have.property("transaction");
        const error = await rejection(sendOrder(client, other, flags, terminal, NO_PATIENCE));
        expect(error.message).to.contain("Another task of yours got in between");
        expect(await ordered()).to.deep.equal([1, FEE]);
      } finally {
        client.provider.destroy();
      }
    });
  });

  describe("the file to write", () => {
    it("is looked at before anything is ordered", async () => {
      const taken = join(market.folder, "taken.zip");
      await writeFile(taken, "my only copy");
      for (const output of [
        taken,
        join(market.folder, "model.rar"),
        join(market.folder, "missing/model.zip"),
      ]) {
        const { error } = await create({ wait: true, output });
        expect(error?.code, output).to.equal("usage");
      }
      expect((await market.json("fine-tuning list")).tasks).to.deep.equal([]);
      expect(await readFile(taken, "utf8")).to.equal("my only copy");
    });

    it("is looked at before the waiting, when the task was ordered before", async () => {
      await create();
      const taken = join(market.folder, "taken.zip");
      await writeFile(taken, "my only copy");
      const { error } = await create({ wait: true, output: taken });
      expect(error.code).to.equal("usage");
    });

    it("has a name of its own for each task if no flag names it", async () => {
      const output = join(market.folder, "models");
      await mkdir(output);
      const paths = [];
      for (const seed of ["1", "2"]) {
        const { id } = await create({ seed });
        await finish(id);
        for (let times = 0; times < 2; times++) {
          paths.push((await market.json("fine-tuning download", { id, output })).path);
        }
        expect(paths.at(-1)).to.equal(paths.at(-2));
      }
      expect(paths[0]).to.equal(join(output, "tiny-qwen2.tar.zst"));
      expect(paths[2]).to.match(/tiny-qwen2-[0-9a-f]{8}\.tar\.zst$/);
    });
  });
});
