import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasSandbox } from "../../../provider/training/sandbox.ts";
import { openAccount } from "../../../sdk/account/calls.ts";
import { type Client, createClient } from "../../../sdk/client.ts";
import type { Root, TaskId } from "../../../sdk/ids.ts";
import { registerService } from "../../../sdk/service/calls.ts";
import { type CatalogueModel, fetchCatalogue } from "../../../sdk/service/fetchCatalogue.ts";
import { findModel } from "../../../sdk/service/findModel.ts";
import { getService } from "../../../sdk/service/getService.ts";
import type { Unit } from "../../../sdk/service/Service.ts";
import { upload } from "../../../sdk/storage/upload.ts";
import { createTask } from "../../../sdk/task/calls.ts";
import { prepareOrder } from "../../../sdk/task/prepareOrder.ts";
import { quote } from "../../../sdk/task/quote.ts";
import { fetchTaskEvents, type TaskEvent } from "../../../sdk/task/taskEvents.ts";
import type { Hyperparameters } from "../../../sdk/training/Hyperparameters.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { type LocalChain, startLocalChain } from "../../helpers/localChain.ts";
import { standInTrainer } from "../../helpers/standInTrainer.ts";
import { writeDeployment } from "../../helpers/writeDeployment.ts";
import { DaemonProcess } from "./daemonProcess.ts";

const ROOT = join(import.meta.dirname, "../../..");
const PYTHON = join(ROOT, ".venv/bin/python");
const OG = 10n ** 18n;

interface Provided {
  readonly catalogueHash: string;
  readonly encryptionKey: string;
}

const SOME_HASH = `0x${"5a".repeat(32)}`;
/** The generator point of secp256k1 as encryption key. */
const MADE_UP: Provided = {
  catalogueHash: SOME_HASH,
  encryptionKey: "0x0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
};

const FAST_TRAINER = standInTrainer(`
event({ seq: 1, type: "progress", step: 1, total: 1, loss: 1, accuracy: 0 });
fs.mkdirSync(directory + "/out", { recursive: true });
fs.writeFileSync(directory + "/out/model.safetensors", Buffer.alloc(300_000, 7));
event({ seq: 2, type: "done" });
`);

/** Seconds from acceptance to the training deadline. */
const TRAINING_TIME = 3_600;
const PRICE = 10n ** 9n;

/** A real chain with both contracts, and what a provider and a user need to trade on it. */
export class Marketplace {
  readonly chain: LocalChain;
  readonly folder: string;
  readonly provider: string;
  readonly user: string;
  readonly #clients: Client[] = [];
  readonly #daemons: DaemonProcess[] = [];
  readonly #ports: readonly number[];

  private constructor(chain: LocalChain, folder: string, ports: readonly number[]) {
    this.chain = chain;
    this.#ports = ports;
    this.folder = folder;
    this.provider = chain.accounts[1]!.address;
    this.user = chain.accounts[2]!.address;
  }

  static async open(): Promise<Marketplace> {
    const folder = mkdtempSync(join(tmpdir(), "anneal-provider-"));
    const chain = await startLocalChain();
    writeDeployment(join(folder, "deployment"), chain.deployment);
    return new Marketplace(chain, folder, [await freePort(), await freePort()]);
  }

  get storageUrl(): string {
    return `http://127.0.0.1:${this.#ports[1]}`;
  }

  async close(): Promise<void> {
    // Politely, so that no trainer is left behind.
    await Promise.all(this.#daemons.map((daemon) => daemon.kill("SIGTERM")));
    for (const client of this.#clients) client.provider.destroy();
    await this.chain.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The client of an account: 1 is the provider, 2 and above are users. */
  client(account: number): Client {
    const client = createClient({
      rpcUrl: this.chain.rpcUrl,
      deployment: this.chain.deployment,
      storageUrl: this.storageUrl,
      privateKey: this.chain.accounts[account]!.privateKey,
      pollingInterval: 20,
    });
    this.#clients.push(client);
    return client;
  }

  /** Writes tiny models with random weights. */
  makeModels(): void {
    execFileSync(PYTHON, ["-m", "anneal_trainer.tiny_models", join(this.folder, "models")], {
      env: { ...process.env, PYTHONPATH: join(ROOT, "provider/trainer") },
    });
  }

  /** Writes a stand-in for Python that "trains" a few bytes at once. @returns its path. */
  makeFastTrainer(): string {
    const path = join(this.folder, "fast-trainer");
    writeFileSync(path, FAST_TRAINER, { mode: 0o755 });
    return path;
  }

  /**
   * Starts a daemon; one that is started again finds the state, and has the addresses, of the one before.
   * @param python the interpreter; the project's own where it is not given
   */
  startDaemon(python = PYTHON): DaemonProcess {
    const daemon = new DaemonProcess(this.daemonVariables(python));
    this.#daemons.push(daemon);
    return daemon;
  }

  /** The environment variables of a daemon. */
  daemonVariables(python: string): Record<string, string> {
    const sandbox = python === PYTHON && hasSandbox();
    return {
      PROVIDER_PRIVATE_KEY: this.chain.accounts[1]!.privateKey,
      RPC_ENDPOINT: this.chain.rpcUrl,
      DEPLOYMENT_DIR: join(this.folder, "deployment"),
      PROVIDER_DIR: join(this.folder, "state"),
      MODELS_DIR: join(this.folder, "models"),
      PYTHON: python,
      SANDBOX: sandbox ? "on" : "off",
      PROVIDER_PORT: `${this.#ports[0]}`,
      STORAGE_PORT: `${this.#ports[1]}`,
      POLL_INTERVAL_MS: "50",
      OMP_NUM_THREADS: "2",
    };
  }

  /** Registers the provider with what its running daemon says, or with made-up terms where there is none. */
  async register(api?: string, unit: Unit = "byte"): Promise<void> {
    const client = this.client(1);
    const provided = api ? ((await (await fetch(`${api}/v1/terms`)).json()) as Provided) : MADE_UP;
    await send(client, openAccount(client, { amount: 10n * OG }));
    const terms = {
      catalogueHash: provided.catalogueHash,
      encryptionKey: provided.encryptionKey,
      url: api ?? "http://127.0.0.1:9",
      pricePerUnit: PRICE,
      unit,
      maxTrainingTime: TRAINING_TIME,
      bondBps: 10_000,
      unacknowledgedBps: 1_000,
      openTasksPerUser: 5,
      accepting: true,
    };
    await send(client, registerService(client, { terms }));
  }

  /** Uploads rows and orders a training of tiny-qwen2. `declared` is by default the real size in bytes. */
  async order(
    client: Client,
    rows: readonly object[],
    config: Hyperparameters,
    declared?: bigint,
  ): Promise<TaskId> {
    const path = join(this.folder, "dataset.jsonl");
    writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const { root, size } = await upload(client.storageUrl, path);
    const service = await getService(client, { provider: this.provider });
    const model = findModel(await fetchCatalogue(service), "tiny-qwen2");
    return this.place(client, {
      model,
      datasetRoot: root,
      units: declared ?? BigInt(size),
      config,
    });
  }

  /** Orders something that nobody will train, for tests without a daemon. */
  placeAny(client: Client, units = 5n): Promise<TaskId> {
    const model = { hash: SOME_HASH } as CatalogueModel;
    return this.place(client, { model, datasetRoot: SOME_HASH as Root, units, config: {} });
  }

  async place(
    client: Client,
    wanted: { model: CatalogueModel; datasetRoot: Root; units: bigint; config: Hyperparameters },
  ): Promise<TaskId> {
    const service = await getService(client, { provider: this.provider });
    const { fee } = quote({ service, units: wanted.units });
    const { id, order } = await prepareOrder(client, { service, maxFee: fee, ...wanted });
    await send(client, createTask(client, { order }));
    return id;
  }

  /** All events of a task, in their order. */
  async events(id: TaskId): Promise<TaskEvent[]> {
    const client = this.client(2);
    const toBlock = await client.provider.getBlockNumber();
    return (await fetchTaskEvents(client, { fromBlock: 0, toBlock })).filter(
      (event) => event.id === id,
    );
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
