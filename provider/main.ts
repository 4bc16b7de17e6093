import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { type Client, createClient, requireSigner } from "../sdk/client.ts";
import { readDeployment } from "../sdk/deployment.ts";
import { ProtocolError } from "../sdk/errors.ts";
import { sealedDatasetSize } from "../sdk/exchange/DatasetCipher.ts";
import { useProxies } from "../sdk/rpc/proxy.ts";
import { checkNetwork } from "../sdk/transaction/checkNetwork.ts";
import { createApi } from "./api/apiServer.ts";
import { ChainIdentity } from "./chain/ChainIdentity.ts";
import { GasMoney } from "./chain/GasMoney.ts";
import { Submitter } from "./chain/Submitter.ts";
import { Watcher } from "./chain/Watcher.ts";
import { backoff, type Clock, systemClock, wallTime } from "./clock.ts";
import { type Config, type EmbeddedStorage, readConfig } from "./config.ts";
import { ProviderError } from "./errors.ts";
import { adoptJobs } from "./jobs/adoptJobs.ts";
import { Runner } from "./jobs/Runner.ts";
import { referencedRoots } from "./jobs/referencedRoots.ts";
import { createLog } from "./log.ts";
import { Metrics } from "./Metrics.ts";
import { Catalogue } from "./models/Catalogue.ts";
import { FileHashes } from "./models/FileHashes.ts";
import { childMark, stopOrphans } from "./processes/orphans.ts";
import { Readiness } from "./Readiness.ts";
import { awaitRegistration, providedTerms } from "./registration.ts";
import { remembered } from "./remembered.ts";
import { FetchBudget } from "./steps/parts/FetchBudget.ts";
import type { StepContext } from "./steps/parts/StepContext.ts";
import { TaskTimes } from "./steps/parts/TaskTimes.ts";
import { STEPS } from "./steps/registry.ts";
import { BlobStore, type StorageLimits } from "./storage/BlobStore.ts";
import { claimCheck } from "./storage/claims.ts";
import { FlowWatcher } from "./storage/FlowWatcher.ts";
import { SubmissionLog } from "./storage/SubmissionLog.ts";
import { type StorageServerOptions, serveOwn, serveStore } from "./storage/storageServer.ts";
import { SqliteStore } from "./store/SqliteStore.ts";
import { LocalTrainer } from "./training/LocalTrainer.ts";
import { MachineHealth } from "./training/MachineHealth.ts";
import { PythonCheck } from "./training/PythonCheck.ts";
import { probeTrainer } from "./training/probe.ts";
import { SlurmTrainer } from "./training/SlurmTrainer.ts";
import { demandSandbox, SANDBOX_HINT } from "./training/sandbox.ts";
import { writeSystemCallFilter } from "./training/systemCalls.ts";
import type { Trainer } from "./training/Trainer.ts";
import type { TrainerProgram } from "./training/trainerCommand.ts";

/** The composition root: config → parts → start → signals. Nothing else constructs a part. */

const FREE_DISK_BYTES = 2 ** 30;
/** Milliseconds that requests to the chain may still take when the daemon stops. */
const STOP_GRACE_MS = 5_000;
const DAY = 24 * 60 * 60_000;
const UPLOAD_ABANDONED_AFTER = DAY;
/** Datasets of the largest size that are fetched for a user within an hour before anything of theirs is accepted. */
const FETCH_BUDGET = 4;
/** From an upload, or from the end of the task that refers to it. */
const BLOB_EXPIRES_AFTER = 7 * DAY;
/** Part of the storage that is kept for the provider's own deliveries. */
const OWN_SHARE = 0.25;
/** Part of the storage that unsigned uploads may take together. */
const UNCLAIMED_SHARE = 0.25;
/** Milliseconds for which it is remembered what tasks refer to. */
const REFERENCES_AGE = 1_000;

async function run(config: Config, log: Logger, stop: AbortController): Promise<void> {
  const { signal } = stop;
  const clock = systemClock;
  useProxies(config.proxies);
  await using parts = new AsyncDisposableStack();

  const deployment = await readDeployment(config.deploymentDirectory);
  const { chainId, flow } = deployment;
  const isEmbedded = config.storage.kind === "embedded";
  const submissions =
    flow && isEmbedded ? new SubmissionLog({ chainId, address: flow.address }) : null;
  // Before anything else: a second daemon must not touch what the first one works with.
  const store = SqliteStore.open(config.directory);
  parts.defer(() => store.close());
  const references = remembered(() => referencedRoots(store), REFERENCES_AGE, clock);
  const storage = await openStorage(config, { references, log }, parts);
  const storageUrl = storage.url;
  const client = createClient({
    rpcUrl: config.rpcUrl,
    deployment,
    storageUrl,
    privateKey: config.privateKey,
    pollingInterval: config.pollInterval,
  });
  parts.defer(() => client.provider.destroy());
  signal.addEventListener("abort", () => {
    setTimeout(() => client.provider.destroy(), STOP_GRACE_MS).unref();
  });
  const publicStorageUrl = await storage.serve({ submissions, claims: claimCheck(client, clock) });
  const provider = await requireSigner(client).getAddress();
  const genesis = await awaitChain(client, clock, log, signal);
  if (genesis === null) return;

  store.claim({ chainId, genesis, serving: client.servingAddress, provider });
  const mark = childMark(config.directory);
  await stopOrphans(mark, clock, log);
  const program = trainerProgram(config, mark, log);
  const trainer = createTrainer(config, program, clock, log);
  const jobsDirectory = join(config.directory, "jobs");
  await adoptJobs(jobsDirectory);

  const online = {
    python: config.python,
    environment: {
      ...config.onlineEnvironment,
      ...mark,
      PYTHONPATH: join(import.meta.dirname, "trainer"),
    },
  };
  const cache = {
    directory: join(config.directory, "models"),
    storageUrl,
    online,
    maxBytes: config.maxModelBytes,
    signal,
  };
  const hashes = await FileHashes.open(join(config.directory, "model-hashes.json"));
  const catalogue = await Catalogue.read(config.modelsDirectory, log, cache, hashes);
  if (catalogue.models.length === 0) {
    log.warn(
      { hint: "Put a model into its own directory there." },
      `no model in ${config.modelsDirectory}`,
    );
  }
  const { confirmations, pollInterval, encryptionKey, maxDatasetBytes, slots } = config;
  const readiness = new Readiness();
  const identity = new ChainIdentity({ client, genesis, readiness, log });
  const python = new PythonCheck({ program, trainer, readiness, clock, log });
  const chain = { client, identity, store, clock, log };
  const gasMoney = new GasMoney({ ...chain, readiness, maxGasPrice: config.maxGasPrice });
  const submitter = new Submitter({ ...chain, gasMoney, confirmations, pollInterval });
  const machine = new MachineHealth({
    probe: (stop) => probeTrainer(trainer, program, join(config.directory, "probe"), stop),
    ...{ readiness, clock, log },
  });
  const context: StepContext = {
    client,
    submitter,
    gasMoney,
    store,
    trainer,
    python,
    catalogue,
    encryptionKey,
    provider,
    publicStorageUrl,
    jobsDirectory,
    checkpoints: { ...config.checkpoints, directory: join(config.directory, "checkpoints") },
    online,
    trackerHosts: config.trackerHosts,
    maxDatasetBytes,
    maxModelBytes: config.maxModelBytes,
    maxJobBytes: config.maxJobBytes,
    machine,
    times: new TaskTimes(trainer.grace),
    fetchBudget: new FetchBudget(clock, FETCH_BUDGET * maxDatasetBytes),
    clock,
    log,
  };
  const metrics = new Metrics(store);
  readiness.addGauge(metrics.registry);
  gasMoney.addGauges(metrics.registry);
  const runner = new Runner({
    ...{ context, clock, log, slots, confirmations, metrics, readiness },
    steps: STEPS,
  });
  const onLook = (chainTime: number) => {
    metrics.chainSeen(clock.now());
    runner.notify(chainTime);
  };
  const watcher = new Watcher({
    ...chain,
    provider,
    confirmations,
    pollInterval,
    onLook,
  });

  const terms = () =>
    providedTerms(provider, catalogue, encryptionKey, config.api.publicUrl ?? urlOf(api));
  const api = createApi({
    ...context,
    clock,
    slots,
    signal,
    terms,
    metrics,
    readiness,
    wallTime,
    chainTime: () => runner.chainTime,
    onCancel: () => runner.wake(),
    log: log.child({ part: "api" }, { level: "warn" }),
  });
  parts.defer(() => api.close());
  await listen(api, config.api);

  log.info(
    { api: terms().url, storage: publicStorageUrl, provider, models: catalogue.models.length },
    "ready",
  );
  const loops = [
    awaitRegistration({ client, terms: terms(), clock, log }, signal),
    watcher.run(signal),
    gasMoney.run(signal),
    python.run(signal),
    runner.run(signal),
    machine.watch(signal),
  ];
  if (submissions) {
    const flowWatcher = new FlowWatcher({
      provider: client.provider,
      submissions,
      clock,
      log,
      pollInterval,
    });
    loops.push(flowWatcher.run(signal));
  }
  try {
    await Promise.all(loops);
  } finally {
    stop.abort(); // where one failed: the others must end before what they work with is taken down
    await Promise.allSettled(loops);
  }
}

/** @throws ProviderError where trainings shall run in a sandbox and there is none. */
function trainerProgram(
  config: Config,
  mark: Readonly<Record<string, string>>,
  log: Logger,
): TrainerProgram {
  const { python, trainerEnvironment, counting } = config;
  const filter = join(config.directory, "system-calls.bpf");
  const sandbox = config.sandbox && { ...config.sandbox, filter };
  writeSystemCallFilter(filter);
  if (sandbox !== null) demandSandbox(sandbox);
  else log.warn({ hint: SANDBOX_HINT }, "trainings run without a sandbox");
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
  /** Where the daemon itself reaches it: past whatever strangers do at the public port. */
  readonly url: string;
  /** Opens it to the public. @returns the URL. */
  serve(options: Pick<StorageServerOptions, "submissions" | "claims">): Promise<string>;
}

/** Somebody else's storage, or the node that starts here. */
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
 * Waits for the chain to answer. @returns the hash of its first block, null when `signal` aborts before.
 * @throws ProtocolError when it is another chain than the deployment's.
 */
async function awaitChain(
  client: Client,
  clock: Clock,
  log: Logger,
  signal: AbortSignal,
): Promise<string | null> {
  for (let failures = 0; !signal.aborted; ) {
    try {
      await checkNetwork(client);
      const genesis = (await client.provider.getBlock(0))?.hash;
      if (genesis) return genesis;
      throw new ProtocolError("network", "The RPC endpoint has no block 0.", "Check RPC_ENDPOINT.");
    } catch (error) {
      if (error instanceof ProtocolError && error.code !== "network") throw error;
      failures++;
      log.warn({ err: error }, "waiting for the chain");
      await clock.sleep(backoff(failures), signal);
    }
  }
  return null;
}

async function listen(
  server: FastifyInstance,
  { host, port }: { host: string; port: number },
): Promise<void> {
  try {
    await server.listen({ host, port });
  } catch (cause) {
    throw new ProviderError(`${host}:${port} cannot be listened on: ${(cause as Error).message}.`, {
      retryable: false,
      hint: "Stop what is using the port, or choose another one.",
      cause,
    });
  }
}

function urlOf(server: FastifyInstance): string {
  const { address, port, family } = server.server.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}

/** Runs until SIGTERM or SIGINT, then stops the trainings so that they can resume, and ends with exit code 0. */
async function main(): Promise<void> {
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => stop.abort());
  let log = createLog("info");
  try {
    const config = readConfig();
    log = createLog(config.logLevel);
    await run(config, log, stop);
    log.info("stopped");
  } catch (error) {
    const { message, hint } = error as ProviderError;
    log.fatal({ hint, err: error }, message);
    process.exitCode = 1;
  }
}

await main();
