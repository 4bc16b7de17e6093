import { execFileSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { hasSandbox } from "../../../provider/training/sandbox.ts";
import type { Client } from "../../../sdk/client.ts";
import type { Root, TaskId } from "../../../sdk/ids.ts";
import { fetchCatalogue } from "../../../sdk/service/fetchCatalogue.ts";
import { findModel } from "../../../sdk/service/findModel.ts";
import { getService } from "../../../sdk/service/getService.ts";
import type { ServiceTerms, Unit } from "../../../sdk/service/Service.ts";
import { upload } from "../../../sdk/storage/upload.ts";
import { getTask } from "../../../sdk/task/getTask.ts";
import type { OrderOptions } from "../../../sdk/task/prepareOrder.ts";
import { quote } from "../../../sdk/task/quote.ts";
import { fetchTaskEvents, type TaskEvent } from "../../../sdk/task/taskEvents.ts";
import type { Hyperparameters } from "../../../sdk/training/Hyperparameters.ts";
import { startLocalChain } from "../../helpers/localChain.ts";
import { MarketFixture, RATES } from "../../helpers/MarketFixture.ts";
import { standInTrainer } from "../../helpers/standInTrainer.ts";
import type { TestChain } from "../../helpers/TestChain.ts";
import { writeDeployment } from "../../helpers/writeDeployment.ts";
import { DaemonProcess } from "./daemonProcess.ts";

const ROOT = join(import.meta.dirname, "../../..");
const PYTHON = join(ROOT, ".venv/bin/python");
const OG = 10n ** 18n;

const FAST_TRAINER = standInTrainer(`
event({ seq: 1, type: "progress", step: 1, total: 1, loss: 1, accuracy: 0 });
fs.mkdirSync(directory + "/out", { recursive: true });
fs.writeFileSync(directory + "/out/model.safetensors", Buffer.alloc(300_000, 7));
event({ seq: 2, type: "done" });
fs.writeFileSync(directory + "/result.json", '{"steps": 5, "total_steps": 10}');
`);

/** Terms under which several tasks of a user can run. */
const TERMS = {
  pricePerUnit: 10n ** 9n,
  bondBps: 10_000,
  unacknowledgedBps: 1_000,
  openTasksPerUser: 5,
};

/** A market whose provider runs daemons. Their state, models and deployment are in its folder. */
export class DaemonFixture extends MarketFixture {
  readonly #daemons: DaemonProcess[] = [];
  readonly #ports: readonly [api: number, storage: number];

  private constructor(chain: TestChain, ports: readonly [number, number]) {
    super(chain, `http://127.0.0.1:${ports[1]}`);
    this.#ports = ports;
    writeDeployment(join(this.folder, "deployment"), chain.deployment);
  }

  /** The provider is not registered, and the user has no account in the Ledger. */
  static override async open(): Promise<DaemonFixture> {
    return new DaemonFixture(await startLocalChain(), [await freePort(), await freePort()]);
  }

  override async close(): Promise<void> {
    // With SIGTERM, so that no trainer is left behind.
    await Promise.all(this.#daemons.map((daemon) => daemon.kill("SIGTERM")));
    await super.close();
  }

  /** Writes tiny models with random weights; a byte of a dataset counts as a unit of work in each epoch. */
  makeModels(): void {
    execFileSync(PYTHON, ["-m", "anneal_trainer.tiny_models", join(this.folder, "models")], {
      env: { ...process.env, PYTHONPATH: join(ROOT, "provider/trainer") },
    });
    for (const name of readdirSync(join(this.folder, "models"))) {
      const manifest = join(this.folder, "models", name, "anneal.json");
      writeFileSync(manifest, JSON.stringify({ rates: RATES }));
    }
  }

  /** Writes a stub for Python that "trains" a few bytes at once, and claims to have stopped halfway. @returns its path. */
  makeFastTrainer(): string {
    const path = join(this.folder, "fast-trainer");
    writeFileSync(path, FAST_TRAINER, { mode: 0o755 });
    return path;
  }

  /**
   * Starts a daemon; a restarted one has the state and the addresses of the previous one.
   * @param python the interpreter; default: the project's own
   * @param variables of the environment that differ from the usual ones
   */
  startDaemon(python = PYTHON, variables: Readonly<Record<string, string>> = {}): DaemonProcess {
    const daemon = new DaemonProcess({ ...this.daemonVariables(python), ...variables });
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

  override register(chosen: Partial<ServiceTerms> = {}, amount = 10n * OG): Promise<void> {
    return super.register({ ...TERMS, ...chosen }, amount);
  }

  /** Registers the provider with the terms that its daemon at `url` reports. */
  async registerDaemon(url: string, unit: Unit = "byte"): Promise<void> {
    const answer = await fetch(`${url}/v1/terms`);
    const { catalogueHash, encryptionKey, operator } = (await answer.json()) as ServiceTerms;
    await this.register({ url, unit, catalogueHash, encryptionKey, operator });
  }

  /** Orders a task of 5 units; defaults name things that do not exist. */
  override order(chosen: Partial<OrderOptions> = {}, user: Client = this.user): Promise<TaskId> {
    return super.order({ units: 5n, ...chosen }, user);
  }

  /** Uploads rows and orders a task on them. Their declared size is by default the real one in bytes. */
  async orderTraining(
    client: Client,
    rows: readonly object[],
    config: Hyperparameters,
    declared: { readonly dataSize?: bigint; readonly validationRoot?: Root } = {},
  ): Promise<TaskId> {
    const path = join(this.folder, "dataset.jsonl");
    writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const { root: datasetRoot, size } = await upload(client.storageUrl, path);
    const service = await getService(client, { provider: this.provider.address });
    const model = findModel(await fetchCatalogue(service), "tiny-qwen2");
    const { dataSize = BigInt(size), validationRoot = null } = declared;
    const { units, fee: maxFee } = quote({ service, model, config, dataSize });
    return this.order({ model, datasetRoot, validationRoot, units, maxFee, config }, client);
  }

  /** All events of a task, in order. */
  async events(id: TaskId): Promise<TaskEvent[]> {
    return fetchTaskEvents(this.reader, await getTask(this.reader, { id }));
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
