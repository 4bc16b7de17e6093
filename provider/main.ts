import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { type Client, createClient, requireSigner } from "../sdk/client.ts";
import { readDeployment } from "../sdk/deployment.ts";
import { ProtocolError } from "../sdk/errors.ts";
import { checkNetwork } from "../sdk/transaction/checkNetwork.ts";
import { createApi } from "./api/apiServer.ts";
import { Submitter } from "./chain/submitter.ts";
import { Watcher } from "./chain/watcher.ts";
import { backoff, type Clock, systemClock } from "./clock.ts";
import { type Config, type EmbeddedStorage, readConfig } from "./config.ts";
import { ProviderError } from "./errors.ts";
import { Runner } from "./jobs/runner.ts";
import type { StepContext } from "./jobs/StepContext.ts";
import { STEPS } from "./jobs/steps/table.ts";
import { createLog } from "./log.ts";
import { Catalogue } from "./models/Catalogue.ts";
import { awaitRegistration, providedTerms } from "./registration.ts";
import { createStorageServer } from "./storage/storageServer.ts";
import { SqliteStore } from "./store/SqliteStore.ts";
import { LocalTrainer } from "./training/LocalTrainer.ts";

/** The composition root: config → parts → start → signals. Nothing else constructs a part. */

const FREE_DISK_BYTES = 2 ** 30;
const UPLOAD_ABANDONED_AFTER = 24 * 60 * 60_000;

async function run(config: Config, log: Logger, stop: AbortController): Promise<void> {
  const { signal } = stop;
  const clock = systemClock;
  await using parts = new AsyncDisposableStack();

  const storageUrl = await startStorage(config, log, parts);
  const client = createClient({
    rpcUrl: config.rpcUrl,
    deployment: await readDeployment(config.deploymentDirectory),
    storageUrl,
    privateKey: config.privateKey,
    pollingInterval: config.pollInterval,
  });
  parts.defer(() => client.provider.destroy());
  const provider = await requireSigner(client).getAddress();
  const genesis = await awaitChain(client, clock, log, signal);
  if (genesis === null) return;

  const store = SqliteStore.open(config.directory, {
    chainId: client.chainId,
    genesis,
    serving: client.servingAddress,
    provider,
  });
  parts.defer(() => store.close());
  const trainer = new LocalTrainer({
    python: config.python,
    packageDirectory: join(import.meta.dirname, "trainer"),
    environment: config.trainerEnvironment,
    clock,
    log,
    processes: store.trainers,
  });
  await trainer.stopOrphans();

  const catalogue = await Catalogue.read(config.modelsDirectory, log);
  if (catalogue.models.length === 0) {
    log.warn(
      { hint: "Put a model into its own directory there." },
      `no model in ${config.modelsDirectory}`,
    );
  }
  const { confirmations, pollInterval, encryptionKey, maxDatasetBytes, slots } = config;
  const submitter = new Submitter({ client, store, clock, log, confirmations, pollInterval });
  const context: StepContext = {
    client,
    submitter,
    store,
    trainer,
    catalogue,
    encryptionKey,
    provider,
    jobsDirectory: join(config.directory, "jobs"),
    maxDatasetBytes,
    log,
  };
  const runner = new Runner({ context, steps: STEPS, clock, log, slots });
  const onLook = (chainTime: number) => runner.notify(chainTime);
  const watcher = new Watcher({
    client,
    provider,
    store,
    clock,
    log,
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
    log: log.child({ part: "api" }, { level: "warn" }),
  });
  parts.defer(() => api.close());
  await listen(api, config.api);

  log.info(
    { api: terms().url, storage: storageUrl, provider, models: catalogue.models.length },
    "ready",
  );
  const loops = [
    awaitRegistration({ client, terms: terms(), clock, log }, signal),
    watcher.run(signal),
    runner.run(signal),
  ];
  try {
    await Promise.all(loops);
  } finally {
    stop.abort(); // where one failed: the others must end before what they work with is taken down
    await Promise.allSettled(loops);
  }
}

/** The URL of the storage: somebody else's, or that of the node that starts here. */
async function startStorage(
  { storage }: Config,
  log: Logger,
  parts: AsyncDisposableStack,
): Promise<string> {
  if (storage.kind === "remote") return storage.url;
  const server = await createStorageServer({
    directory: storage.directory,
    limits: storageLimits(storage),
    logger: log.child({ part: "storage" }, { level: "warn" }),
  });
  parts.defer(() => server.close());
  await listen(server, storage);
  return urlOf(server);
}

function storageLimits({ maxBytes }: EmbeddedStorage) {
  return {
    totalBytes: maxBytes,
    uploadBytes: maxBytes,
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
