import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { getBytes } from "ethers";
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { type Client, createClient, requireSigner } from "../sdk/client.ts";
import type { Deployment } from "../sdk/deployment.ts";
import { ProtocolError } from "../sdk/errors.ts";
import { sealedDatasetSize } from "../sdk/exchange/DatasetCipher.ts";
import { useProxies } from "../sdk/rpc/proxy.ts";
import { checkNetwork } from "../sdk/transaction/checkNetwork.ts";
import { createApi } from "./api/apiServer.ts";
import { cached } from "./cached.ts";
import { awaitAnswer } from "./chain/awaitAnswer.ts";
import { findDeployment } from "./chain/findDeployment.ts";
import { Registration } from "./chain/Registration.ts";
import { type Clock, systemClock, wallTime } from "./clock.ts";
import type { Config, EmbeddedStorage } from "./config.ts";
import { EncryptionKey } from "./EncryptionKey.ts";
import { type EncryptionKeys, KEYS_FILE, openEncryptionKeys } from "./EncryptionKeys.ts";
import { ProviderError } from "./errors.ts";
import { migrateJobs } from "./jobs/migrateJobs.ts";
import { referencedRoots } from "./jobs/referencedRoots.ts";
import { Metrics } from "./Metrics.ts";
import { Catalogue } from "./models/Catalogue.ts";
import { FileHashes } from "./models/FileHashes.ts";
import type { OnlineProcess } from "./online/runOnline.ts";
import { childMark, stopOrphans } from "./processes/orphans.ts";
import type { ProvidedTerms } from "./providedTerms.ts";
import { Readiness } from "./Readiness.ts";
import { FetchBudget } from "./steps/parts/FetchBudget.ts";
import { TaskTimes } from "./steps/parts/TaskTimes.ts";
import { BlobStore, type StorageLimits } from "./storage/BlobStore.ts";
import { claimCheck } from "./storage/claims.ts";
import { FlowWatcher } from "./storage/FlowWatcher.ts";
import { SubmissionLog } from "./storage/SubmissionLog.ts";
import { type StorageServerOptions, serveOwn, serveStore } from "./storage/storageServer.ts";
import { SqliteStore } from "./store/SqliteStore.ts";
import { TaskLoop } from "./TaskLoop.ts";
import { LocalTrainer } from "./training/LocalTrainer.ts";
import { MachineHealth } from "./training/MachineHealth.ts";
import { PythonCheck } from "./training/PythonCheck.ts";
import { probeTrainer } from "./training/probe.ts";
import { SlurmTrainer } from "./training/SlurmTrainer.ts";
import { requireSandbox, SANDBOX_HINT } from "./training/sandbox.ts";
import { writeSystemCallFilter } from "./training/systemCalls.ts";
import type { Trainer } from "./training/Trainer.ts";
import type { TrainerProgram } from "./training/trainerCommand.ts";

const FREE_DISK_BYTES = 2 ** 30;
/** Milliseconds for which requests to the chain may continue when the daemon stops. */
const STOP_GRACE_MS = 5_000;
const DAY = 24 * 60 * 60_000;
const UPLOAD_ABANDONED_AFTER = DAY;
/** Per user and hour, in datasets of the largest size: what may be fetched for orders that are not accepted yet. */
const FETCH_BUDGET = 4;
/** Counted from the upload, or from the end of the task that refers to the blob. */
const BLOB_EXPIRES_AFTER = 7 * DAY;
/** Share of the storage that is reserved for the provider's own deliveries. */
const OWN_SHARE = 0.25;
/** Share of the storage that all unsigned uploads together may take. */
const UNCLAIMED_SHARE = 0.25;
/** Milliseconds for which the set of referenced roots is cached. */
const REFERENCES_AGE = 1_000;

export interface StartOptions {
  readonly log: Logger;
  /** Stops the daemon when it aborts. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** What every part is built from. */
interface Dependencies {
  readonly config: Config;
  readonly log: Logger;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Open resources, closed in reverse order at the end. */
  readonly parts: AsyncDisposableStack;
}

/** The composition root: config → parts → loops. Nothing else constructs a part. */
export class Daemon {
  /** URL of the API on this machine. */
  readonly api: string;
  /** Settles when everything has stopped and is closed; rejects with the first error. */
  readonly ended: Promise<void>;

  private constructor(api: string, ended: Promise<void>) {
    this.api = api;
    this.ended = ended;
  }

  /**
   * Starts a daemon. Its API answers requests when this resolves.
   * @throws ProviderError or ProtocolError if it cannot start; the signal's reason if `signal` aborts first.
   */
  static async start(
    config: Config,
    { log, signal, clock = systemClock }: StartOptions,
  ): Promise<Daemon> {
    const stop = new AbortController();
    const parts = new AsyncDisposableStack();
    const either = AbortSignal.any([signal, stop.signal]);
    try {
      useProxies(config.proxies);
      const { api, loops } = await compose({ config, log, clock, signal: either, parts });
      return new Daemon(api, settle(loops, stop, parts));
    } catch (error) {
      await parts.disposeAsync();
      throw error;
    }
  }
}

/** Waits for all loops to end. If one fails, the others are stopped before their resources are closed. */
async function settle(
  loops: readonly Promise<unknown>[],
  stop: AbortController,
  parts: AsyncDisposableStack,
): Promise<void> {
  try {
    await Promise.all(loops);
  } finally {
    stop.abort();
    await Promise.allSettled(loops);
    await parts.disposeAsync();
  }
}

async function compose(
  dependencies: Dependencies,
): Promise<{ api: string; loops: Promise<unknown>[] }> {
  const { config, log, clock, signal, parts } = dependencies;
  const deployment = await findDeployment(config, dependencies);
  // Before anything else: a second daemon must not touch the files of the first one.
  const store = SqliteStore.open(config.directory);
  parts.defer(() => store.close());
  const { client, storageUrl, publicStorageUrl, submissions } = await openStorageAndClient(
    dependencies,
    deployment,
    store,
  );
  const { provider } = config;
  const operator = await requireSigner(client).getAddress();
  const genesis = await awaitChain(client, dependencies);
  store.claim({ chainId: deployment.chainId, genesis, serving: client.servingAddress, provider });
  const encryptionKeys = await openKeys(config, store);
  if (store.useOperator(operator)) log.warn({ operator }, "another operator continues");

  const mark = childMark(config.directory);
  await stopOrphans(mark, clock, log);
  const readiness = new Readiness();
  const { trainer, python, machine } = openTraining(dependencies, mark, readiness);
  const jobsDirectory = join(config.directory, "jobs");
  await migrateJobs(jobsDirectory);
  const online = onlineProcess(config, mark);
  const catalogue = await openCatalogue(dependencies, storageUrl, online);
  const { maxDatasetBytes, maxModelBytes, maxJobBytes, slots, trackerHosts } = config;
  const served = {
    catalogueHash: catalogue.hash,
    encryptionKey: encryptionKeys.current.publicKey,
  };
  const registration = new Registration({ client, provider, served, readiness, clock, log });
  const metrics = new Metrics(store);
  const loop = new TaskLoop({
    given: {
      ...{ client, store, trainer, python, machine, catalogue, online, encryptionKeys, provider },
      ...{ registration, publicStorageUrl, jobsDirectory, trackerHosts, clock, log },
      ...{ maxDatasetBytes, maxModelBytes, maxJobBytes },
      checkpoints: { ...config.checkpoints, directory: join(config.directory, "checkpoints") },
      times: new TaskTimes(trainer.grace),
      fetchBudget: new FetchBudget(clock, FETCH_BUDGET * maxDatasetBytes),
    },
    ...{ genesis, readiness, metrics, slots, clock, log },
    ...{ confirmations: config.confirmations, pollInterval: config.pollInterval },
    maxGasPrice: config.maxGasPrice,
  });
  readiness.addGauge(metrics.registry);
  loop.gasMoney.addGauges(metrics.registry);

  const terms = (): ProvidedTerms => ({
    ...{ provider, operator, ...served },
    url: config.api.publicUrl ?? urlOf(api),
  });
  const api = createApi({
    ...loop.context,
    ...{ slots, signal, terms, metrics, readiness, wallTime },
    device: () => python.device,
    chainTime: () => loop.runner.chainTime,
    onCancel: () => loop.runner.wake(),
    log: log.child({ part: "api" }, { level: "warn" }),
  });
  parts.defer(() => api.close());
  await listen(api, config.api);
  const sayReady = () =>
    log.info(
      {
        ...{ api: terms().url, storage: publicStorageUrl, provider, operator },
        ...{ models: catalogue.models.length, device: python.device },
      },
      "ready",
    );
  const loops = [
    registration.run(signal),
    ...loop.run(signal),
    python.run(signal).then((works) => works && sayReady()),
    machine.watch(signal),
  ];
  if (submissions) {
    const { pollInterval } = config;
    const watched = { provider: client.provider, submissions, clock, log, pollInterval };
    loops.push(new FlowWatcher(watched).run(signal));
  }
  return { api: urlOf(api), loops };
}

/** The encryption keys: a new provider gets a random one, and one of version 0.1.0 keeps what it has registered. */
function openKeys(
  { directory, encryptionKey, privateKey }: Config,
  store: SqliteStore,
): Promise<EncryptionKeys> {
  const makeFirst = () => {
    if (store.operator() === null) return EncryptionKey.generate();
    if (store.derivesEncryptionKey) return EncryptionKey.derive(getBytes(privateKey));
    throw keysLostError(join(directory, KEYS_FILE));
  };
  return openEncryptionKeys({ directory, configured: encryptionKey, makeFirst });
}

function keysLostError(path: string): ProviderError {
  return new ProviderError(`${path} is missing.`, {
    retryable: false,
    hint: "Restore it from a backup, or set PROVIDER_ENCRYPTION_KEY again: without it no open task can be delivered or revealed.",
  });
}

/** The embedded or remote storage, and the client that uses it. */
async function openStorageAndClient(
  dependencies: Dependencies,
  deployment: Deployment,
  store: SqliteStore,
) {
  const { config, log, clock, signal, parts } = dependencies;
  const { chainId, flow } = deployment;
  const isEmbedded = config.storage.kind === "embedded";
  const submissions =
    flow && isEmbedded ? new SubmissionLog({ chainId, address: flow.address }) : null;
  const references = cached(() => referencedRoots(store), REFERENCES_AGE, clock);
  const storage = await openStorage(config, { references, log }, parts);
  const client = createClient({
    rpcUrl: config.rpcUrl,
    deployment,
    storageUrl: storage.url,
    privateKey: config.privateKey,
    pollingInterval: config.pollInterval,
  });
  parts.defer(() => client.provider.destroy());
  signal.addEventListener("abort", () => {
    setTimeout(() => client.provider.destroy(), STOP_GRACE_MS).unref();
  });
  const publicStorageUrl = await storage.serve({ submissions, claims: claimCheck(client, clock) });
  return { client, storageUrl: storage.url, publicStorageUrl, submissions };
}

/** The trainer, and the checks of what it needs. */
function openTraining(
  { config, clock, log }: Dependencies,
  mark: Readonly<Record<string, string>>,
  readiness: Readiness,
) {
  const program = trainerProgram(config, mark, log);
  const trainer = createTrainer(config, program, clock, log);
  const python = new PythonCheck({ program, trainer, readiness, clock, log });
  const machine = new MachineHealth({
    probe: (stop) => probeTrainer(trainer, program, join(config.directory, "probe"), stop),
    ...{ readiness, clock, log },
  });
  return { trainer, python, machine };
}

/** The separate process that goes online on behalf of training runs. */
function onlineProcess(config: Config, mark: Readonly<Record<string, string>>): OnlineProcess {
  const PYTHONPATH = join(import.meta.dirname, "trainer");
  const environment = { ...config.onlineEnvironment, ...mark, PYTHONPATH };
  return { python: config.python, environment };
}

async function openCatalogue(
  { config, log, signal }: Dependencies,
  storageUrl: string,
  online: OnlineProcess,
): Promise<Catalogue> {
  const directory = join(config.directory, "models");
  const cache = { directory, storageUrl, online, maxBytes: config.maxModelBytes, signal };
  const hashes = await FileHashes.open(join(config.directory, "model-hashes.json"));
  const { modelsDirectory, maxDatasetBytes } = config;
  const options = { maxDatasetBytes, log, cache, hashes };
  const catalogue = await Catalogue.read(modelsDirectory, options);
  if (catalogue.models.length === 0) {
    log.warn(
      { hint: "Put a model into its own directory there." },
      `no model in ${modelsDirectory}`,
    );
  }
  return catalogue;
}

/** @throws ProviderError if the sandbox is on and not available. */
function trainerProgram(
  config: Config,
  mark: Readonly<Record<string, string>>,
  log: Logger,
): TrainerProgram {
  const { python, trainerEnvironment, counting } = config;
  const filter = join(config.directory, "system-calls.bpf");
  const sandbox = config.sandbox && { ...config.sandbox, filter };
  writeSystemCallFilter(filter);
  if (sandbox !== null) requireSandbox(sandbox);
  else log.warn({ hint: SANDBOX_HINT }, "training runs without a sandbox");
  const packageDirectory = join(import.meta.dirname, "trainer");
  const environment = { ...trainerEnvironment, ...mark };
  return { python, packageDirectory, environment, sandbox, counting };
}

function createTrainer(
  config: Config,
  program: TrainerProgram,
  clock: Clock,
  log: Logger,
): Trainer {
  return config.trainer.kind === "slurm"
    ? new SlurmTrainer({ program, submitOptions: config.trainer.options, clock, log })
    : new LocalTrainer({ program, clock, log });
}

interface StartedStorage {
  /** The daemon's own URL for it, which load on the public port does not affect. */
  readonly url: string;
  /** Opens it to the public. @returns the URL. */
  serve(options: Pick<StorageServerOptions, "submissions" | "claims">): Promise<string>;
}

/** Remote storage, or the embedded node. */
async function openStorage(
  { storage, maxDatasetBytes }: Config,
  { references, log }: { references: () => ReadonlySet<string>; log: Logger },
  parts: AsyncDisposableStack,
): Promise<StartedStorage> {
  if (storage.kind === "remote") return { url: storage.url, serve: async () => storage.url };
  const limits = storageLimits(storage, maxDatasetBytes);
  const blobs = await BlobStore.open(storage.directory, limits, { references });
  const logger = log.child({ part: "storage" }, { level: "warn" });
  const own = serveOwn(blobs, limits, logger);
  parts.defer(() => own.close());
  await listen(own, { host: "127.0.0.1", port: 0 });
  return {
    url: urlOf(own),
    serve: async (options) => {
      const server = serveStore(blobs, limits, { ...options, logger });
      parts.defer(() => server.close());
      await listen(server, storage);
      return urlOf(server);
    },
  };
}

function storageLimits(
  { maxBytes, addressBytes, walletBytes }: EmbeddedStorage,
  maxDatasetBytes: number,
): StorageLimits {
  return {
    totalBytes: maxBytes,
    uploadBytes: maxBytes,
    addressBytes,
    walletBytes,
    unclaimedBytes: maxBytes * UNCLAIMED_SHARE,
    taskBytes: sealedDatasetSize(maxDatasetBytes),
    ownShare: OWN_SHARE,
    unreferencedAfterMs: BLOB_EXPIRES_AFTER,
    freeDiskBytes: FREE_DISK_BYTES,
    abandonedAfterMs: UPLOAD_ABANDONED_AFTER,
  };
}

/**
 * Waits for the chain to respond. @returns the hash of its first block.
 * @throws ProtocolError if it is not the deployment's chain; the signal's reason if `signal` aborts.
 */
const awaitChain = (client: Client, dependencies: Dependencies): Promise<string> =>
  awaitAnswer(async () => {
    await checkNetwork(client);
    const genesis = (await client.provider.getBlock(0))?.hash;
    if (genesis) return genesis;
    throw new ProtocolError("network", "The RPC endpoint has no block 0.", "Check RPC_ENDPOINT.");
  }, dependencies);

async function listen(
  server: FastifyInstance,
  { host, port }: { host: string; port: number },
): Promise<void> {
  try {
    await server.listen({ host, port });
  } catch (cause) {
    throw new ProviderError(`Cannot listen on ${host}:${port}: ${(cause as Error).message}.`, {
      retryable: false,
      hint: "Stop the program that is using the port, or choose another one.",
      cause,
    });
  }
}

function urlOf(server: FastifyInstance): string {
  const { address, port, family } = server.server.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}
