import { join } from "node:path";
import pino from "pino";
import { ChainIdentity } from "../../provider/chain/ChainIdentity.ts";
import { Watcher } from "../../provider/chain/Watcher.ts";
import { systemClock } from "../../provider/clock.ts";
import { Readiness } from "../../provider/Readiness.ts";
import { SqliteStore } from "../../provider/store/SqliteStore.ts";
import { parseTaskId } from "../../sdk/ids.ts";
import { CountingEndpoint } from "../../test/helpers/CountingEndpoint.ts";
import type { CommandFixture } from "../../test/node/tasks/CommandFixture.ts";
import { deliverModel, revealKey } from "../../test/node/tasks/deliverModel.ts";
import { type Orders, openOrders } from "../../test/node/tasks/orders.ts";
import { acknowledged, makeArchive } from "../../test/node/tasks/providerSide.ts";

/** Requests to the chain, counted at an endpoint that allows 1,000 blocks per request for events. */
export interface LogsReport {
  /** Blocks of the chain. */
  readonly blocks: number;
  /** The most requests of any user command. */
  readonly userRequests: number;
  /** Requests of each command, the most of several runs. */
  readonly commands: Readonly<Record<string, number>>;
  /** The most blocks that a user command asked for in one request for events. */
  readonly userRange: number;
  /** Blocks that the daemon was down for. */
  readonly missedBlocks: number;
  /** Requests of a daemon until it has caught up. */
  readonly catchUpRequests: number;
  /** Events of its tasks that it has found. */
  readonly foundTasks: number;
}

export interface LogsOptions {
  /** Blocks of the chain. */
  readonly blocks: number;
  /** Blocks that the daemon is down for. */
  readonly missed: number;
}

const LIMIT = { blocks: 1_000, words: "eth_getLogs is limited to a 1,000 blocks range" };

/** Measures user commands and a daemon on a real chain with that many blocks. */
export async function measureLogs({ blocks, missed }: LogsOptions): Promise<LogsReport> {
  const orders = await openOrders();
  const endpoint = await CountingEndpoint.start(orders.market.chain.rpcUrl, LIMIT);
  try {
    const users = new UserCommands(orders, endpoint);
    await users.order(blocks);
    const { commands, range } = users;
    const catchUp = await measureCatchUp(orders, endpoint, missed);
    const height = await orders.market.reader.provider.getBlockNumber();
    const userRequests = Math.max(...Object.values(commands));
    return {
      blocks: height,
      userRequests,
      commands,
      userRange: range,
      missedBlocks: missed,
      ...catchUp,
    };
  } finally {
    await endpoint.close();
    await orders.market.close();
  }
}

const mine = async ({ chain }: CommandFixture, blocks: number) => {
  const body = {
    jsonrpc: "2.0",
    id: 1,
    method: "hardhat_mine",
    params: [`0x${blocks.toString(16)}`],
  };
  const headers = { "content-type": "application/json" };
  await fetch(chain.rpcUrl, { method: "POST", headers, body: JSON.stringify(body) });
};

/** Runs every command that reads the chain for a user, and counts its requests. */
class UserCommands {
  readonly commands: Record<string, number> = {};
  range = 0;
  readonly #orders: Orders;
  readonly #endpoint: CountingEndpoint;

  constructor(orders: Orders, endpoint: CountingEndpoint) {
    this.#orders = orders;
    this.#endpoint = endpoint;
  }

  /** The life of an early task, most of the chain's blocks, and the lives of late tasks. */
  async order(blocks: number): Promise<void> {
    const { market, create, finish } = this.#orders;
    const early = (await create()).id;
    await finish(early);
    await mine(market, blocks);
    await this.#look(early);
    await this.#order();
    await this.#receive();
    await this.#end();
    await this.#look(early);
  }

  /** @returns its document; fails if the command does. */
  // biome-ignore lint/suspicious/noExplicitAny: documents of every shape
  async #run(name: string, flags: Record<string, unknown> = {}): Promise<any> {
    const { market } = this.#orders;
    let stdout = "";
    const { requests, ranges } = await this.#endpoint.count(async () => {
      const env = { RPC_ENDPOINT: this.#endpoint.url };
      const run = await market.run(name, { ...flags, json: true }, { env });
      if (run.exitCode !== 0) throw new Error(`${name}: ${run.stdout}${run.stderr}`);
      stdout = run.stdout;
    });
    this.commands[name] = Math.max(this.commands[name] ?? 0, requests);
    this.range = Math.max(this.range, ...ranges);
    return JSON.parse(stdout);
  }

  get #provider(): string {
    return this.#orders.market.provider.address;
  }

  /** Everything that only looks. */
  async #look(id: string): Promise<void> {
    const provider = this.#provider;
    const model = "tiny-qwen2";
    const dataset = { provider, model, datasetPath: this.#orders.dataset };
    await this.#run("list-providers");
    await this.#run("list-models");
    await this.#run("provider-status", { provider });
    await this.#run("get-account");
    await this.#run("get-sub-account", { provider });
    await this.#run("calculate-token", dataset);
    await this.#run("quote", dataset);
    await this.#run("list-tasks", { provider });
    await this.#run("get-task", { provider });
    await this.#run("get-task", { provider, task: id });
    await this.#run("get-log", { provider, task: id });
    await this.#run("fine-tuning list");
    await this.#run("fine-tuning retrieve", { id: id.slice(0, 8) });
    await this.#run("fine-tuning status", { id: id.slice(0, 8) });
    await this.#run("fine-tuning list-events", { id: id.slice(0, 8) });
    await this.#run("fine-tuning list-checkpoints", { id: id.slice(0, 8) });
  }

  /** Orders, and cancels orders. */
  async #order(): Promise<void> {
    const provider = this.#provider;
    const flags = { ...this.#orders.createTaskFlags(), yes: true };
    await this.#run("deposit", { amount: "0.1" });
    await this.#run("add-account", { amount: "0.1" });
    await this.#run("set-allowance", { amount: "5" });
    await this.#run("create-task", { ...flags, dataSize: "75" });
    await this.#run("cancel-task", { provider });
    const { id } = await this.#run("create-task", { ...flags, dataSize: "80" });
    await this.#run("fine-tuning cancel", { id });
  }

  /** Receives a model step by step, and another in one go. */
  async #receive(): Promise<void> {
    const { market, accept, dataset: trainingFile } = this.#orders;
    const provider = this.#provider;
    const model = { model: "tiny-qwen2", trainingFile, again: true };
    const archive = await makeArchive(market.folder);
    const deliverNext = async () => {
      const { id } = await this.#run("fine-tuning create", model);
      await accept(id);
      await this.#run("get-task", { provider, task: id });
      await deliverModel(market, id, archive);
      return id as string;
    };
    const dataPath = join(market.folder, "model.encrypted");
    const task = await deliverNext();
    await this.#run("acknowledge-model", { provider, dataPath, force: true });
    await acknowledged(market, task);
    await revealKey(market, task);
    await this.#look(task);
    const output = join(market.folder, "late.zip");
    await this.#run("decrypt-model", { provider, encryptedModel: dataPath, output, force: true });
    const id = await deliverNext();
    await market.json("acknowledge-model", { provider, dataPath, force: true });
    await revealKey(market, id);
    await this.#run("fine-tuning download", { id, output: join(market.folder, "download.zip") });
  }

  /** Claims after a missed deadline, and gets the money back. */
  async #end(): Promise<void> {
    const { market, accept, create } = this.#orders;
    const provider = this.#provider;
    const { id } = await create({ again: true });
    await accept(id);
    await market.chain.increaseTime(3_601);
    await this.#run("get-task", { provider });
    await this.#run("cancel-task", { provider, task: id });
    await this.#run("retrieve-fund");
    await this.#run("refund", { amount: "0.01" });
  }
}

/** A daemon that has seen everything goes down; two orders are placed far apart. */
async function measureCatchUp(
  { market, create }: Orders,
  endpoint: CountingEndpoint,
  missed: number,
): Promise<{ catchUpRequests: number; foundTasks: number }> {
  const directory = join(market.folder, "daemon");
  const store = SqliteStore.open(directory);
  const client = { ...market.provider, ...market.through(endpoint.url) };
  const genesis = (await client.provider.getBlock(0))!.hash!;
  const log = pino({ level: "silent" });
  const start = () =>
    new Watcher({
      client,
      provider: market.provider.address,
      store,
      identity: new ChainIdentity({ client, genesis, readiness: new Readiness(), log }),
      clock: systemClock,
      log,
      confirmations: 0,
      pollInterval: 1_000,
      onPoll: () => undefined,
    });
  try {
    store.putScannedBlock(await headOf(market));
    const first = (await create({ again: true })).id;
    await mine(market, missed - 2);
    const second = (await create({ again: true, nEpochs: "3" })).id;
    const { requests } = await endpoint.count(() => start().poll());
    const foundTasks = [first, second].filter((id) => store.job(parseTaskId(id)) !== null).length;
    return { catchUpRequests: requests, foundTasks };
  } finally {
    store.close();
  }
}

async function headOf({ reader }: CommandFixture) {
  const { number, hash } = (await reader.provider.getBlock("latest"))!;
  return { number, hash: hash! };
}
