import { spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { type Client, createClient } from "../../../sdk/client.ts";
import type { Root } from "../../../sdk/ids.ts";
import { fetchCatalogue } from "../../../sdk/service/fetchCatalogue.ts";
import { getService } from "../../../sdk/service/getService.ts";
import { createTask } from "../../../sdk/task/calls.ts";
import { prepareOrder } from "../../../sdk/task/prepareOrder.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { sendOrder } from "../../../tasks/flows/sendOrder.ts";
import { createTerminal } from "../../../tasks/terminal/Terminal.ts";
import { RpcProxy } from "../../faults/RpcProxy.ts";
import type { Random } from "../../faults/seededRandom.ts";
import { rejection } from "../../helpers/rejection.ts";
import type { CommandFixture } from "./CommandFixture.ts";
import { deliverModel, revealKey } from "./deliverModel.ts";
import { FEE, type Orders, openOrders } from "./orders.ts";
import { acknowledged, makeArchive, nextTask } from "./providerSide.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const HARDHAT = join(ROOT, "node_modules/hardhat/dist/src/cli.js");

/** Applies the fault to every matching call, up to its limit. */
const always: Random = {
  next: () => 0,
  integer: (from) => from,
  pick: (choices) => choices[0]!,
};

const DATASET_ROOT = `0x${"aa".repeat(32)}` as Root;

describe("tasks: an interrupted order", () => {
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
  const connect = (rpcUrl: string): Client => {
    const { deployment, accounts } = market.chain;
    const { privateKey } = accounts[2]!;
    const storageUrl = market.storageUrl;
    return createClient({ rpcUrl, deployment, storageUrl, privateKey, pollingInterval: 20 });
  };

  /** Runs the order in its own process, and sends Ctrl-C as soon as it has printed `until`. */
  const interrupt = async (until: RegExp, more: readonly string[] = []) => {
    const order = ["--model", "tiny-qwen2", "--training-file", dataset, "--yes"];
    const words = ["fine-tuning", "create", ...order];
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

  it("continues after Ctrl-C while waiting: one task, one fee, one model", async () => {
    const { said, exitCode } = await interrupt(/^Init$/m, ["--wait"]); // waiting has begun
    expect(exitCode, said).to.equal(7);
    expect(said).to.contain("Run the same command again to continue");
    const id = await nextTask(market, 0);
    await orders.accept(id);
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

    it("says after Ctrl-C that the outcome is unknown, and that the command can be repeated safely", async () => {
      const { said, exitCode } = await interrupt(/^Creating task\.\.\.$/m);
      expect(exitCode, said).to.equal(7);
      expect(said).to.contain("It is not known whether task").and.contain("never paid twice");
    });

    it("waits for it when the command is repeated, and does not report an open task", async () => {
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
  const terminal = { ...createTerminal(flags), say: () => {}, note: () => {} };
  const SHORT_TIMEOUT = { timeout: 20 };
  const prepare = async (client: Client, config = {}) => {
    const service = await getService(client, { provider: market.provider.address });
    const { models } = await fetchCatalogue(service);
    const [model, units, maxFee] = [models[0]!, 70n, 140n];
    return prepareOrder(client, {
      service,
      model,
      datasetRoot: DATASET_ROOT,
      units,
      maxFee,
      config,
    });
  };

  describe("if the answer to the transaction is lost", () => {
    let proxy: RpcProxy;
    afterEach(() => proxy?.close());

    it("finds the task on chain: exactly one task and one fee, however often the command is repeated", async () => {
      proxy = await RpcProxy.start(market.chain.rpcUrl, "answer lost", always);
      const env = { RPC_ENDPOINT: proxy.url };
      for (const [name, flags] of [
        ["create-task", orders.createTaskFlags()],
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

    it("says what is unknown and that the same command is safe, if nobody can tell", async () => {
      proxy = await RpcProxy.start(market.chain.rpcUrl, "delay", always);
      const client = connect(proxy.url);
      try {
        const prepared = await prepare(client);
        await proxy.close();
        const error = await rejection(sendOrder(client, prepared, flags, terminal, SHORT_TIMEOUT));
        expect(error.code).to.equal("network");
        expect(error.message).to.contain("It is not known whether task");
        expect(error.hint).to.contain("Order the same again").and.contain("never paid");
      } finally {
        client.provider.destroy();
      }
    });

    it("adopts the task of a faster run of the same command, and no other task", async () => {
      const client = connect(market.chain.rpcUrl);
      try {
        const [mine, other] = [await prepare(client), await prepare(client, { n_epochs: 9 })];
        await send(client, createTask(client, mine));
        const placed = await sendOrder(client, mine, flags, terminal, SHORT_TIMEOUT);
        expect(placed).to.have.property("transaction");
        const error = await rejection(sendOrder(client, other, flags, terminal, SHORT_TIMEOUT));
        expect(error.message).to.contain("You created another task meanwhile");
        expect(await ordered()).to.deep.equal([1, FEE]);
      } finally {
        client.provider.destroy();
      }
    });
  });
});
