import { join } from "node:path";
import pino, { type Logger } from "pino";
import { EncryptionKeys } from "../../provider/EncryptionKeys.ts";
import { Metrics } from "../../provider/Metrics.ts";
import { Readiness } from "../../provider/Readiness.ts";
import { FetchBudget } from "../../provider/steps/parts/FetchBudget.ts";
import type { StepFunction } from "../../provider/steps/parts/StepContext.ts";
import { TaskTimes } from "../../provider/steps/parts/TaskTimes.ts";
import { STEPS } from "../../provider/steps/registry.ts";
import { SqliteStore } from "../../provider/store/SqliteStore.ts";
import type { Store } from "../../provider/store/Store.ts";
import { TaskLoop } from "../../provider/TaskLoop.ts";
import { MachineHealth } from "../../provider/training/MachineHealth.ts";
import type { Client } from "../../sdk/client.ts";
import type { FaultFixture } from "./FaultFixture.ts";
import { Fuse } from "./Fuse.ts";
import { fastClock } from "./fastClock.ts";
import { fusedStore } from "./fusedStore.ts";
import { StubTrainer } from "./StubTrainer.ts";

export interface DaemonOptions {
  /** The state directory; the state of an earlier daemon is resumed. */
  readonly directory: string;
  readonly fuse?: Fuse;
  /** The daemon's RPC endpoint; by default the node itself. */
  readonly rpcUrl?: string;
  readonly confirmations?: number;
  /** Polling interval of the chain in milliseconds of the fast clock. */
  readonly pollInterval?: number;
  /** Called before every step, with its name. */
  readonly beforeStep?: (step: string) => Promise<void> | void;
  /** Called before every broadcast. */
  readonly beforeBroadcast?: () => Promise<void>;
  /** Wraps the store, outside the fuse. */
  readonly aroundStore?: (store: Store) => Store;
  readonly log?: Logger;
}

const POLL_INTERVAL = 500;
const SLOTS = 2;
const MAX_GAS_PRICE = 100n * 10n ** 9n;

/** The daemon's parts, composed in this process as provider/Daemon.ts does, with a fuse in store, steps and broadcast. */
export class Daemon {
  readonly fuse: Fuse;
  readonly store: SqliteStore;
  readonly readiness = new Readiness();
  /** Settles when the daemon has ended. */
  readonly ended: Promise<void>;
  /** The error that ended it; null if it is running, or was stopped or killed. */
  failure: unknown = null;
  readonly #stop = new AbortController();
  readonly #client: Client;

  constructor(market: FaultFixture, options: DaemonOptions) {
    this.fuse = options.fuse ?? new Fuse();
    this.#client = market.client(1, options.rpcUrl ? { rpcUrl: options.rpcUrl } : {});
    this.store = SqliteStore.open(options.directory);
    this.store.claim(market.identity);
    this.ended = this.#run(market, options);
    void this.fuse.death.then(() => this.#stop.abort());
  }

  /** Stops gracefully, waits for the end, and closes the database. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.ended;
  }

  async #run(market: FaultFixture, options: DaemonOptions): Promise<void> {
    const { signal } = this.#stop;
    const loops = this.#compose(market, options).run(signal);
    try {
      await Promise.all(loops);
    } catch (error) {
      if (!this.fuse.isDead && !signal.aborted) this.failure = error;
    } finally {
      this.#stop.abort();
      await Promise.allSettled(loops);
      this.store.close();
      this.#client.provider.destroy();
    }
  }

  #compose(market: FaultFixture, options: DaemonOptions): TaskLoop {
    const { fuse } = this;
    const client = this.#client;
    const log = options.log ?? pino({ level: process.env.FAULTS_LOG ?? "silent" });
    const clock = fastClock;
    const fused = fusedStore(this.store, fuse);
    const store = options.aroundStore?.(fused) ?? fused;
    fuseBroadcast(client, fuse, options);
    const { confirmations = 1, pollInterval = POLL_INTERVAL } = options;
    const { readiness } = this;
    const steps = Object.fromEntries(
      Object.entries(STEPS).map(([name, step]) => [name, fusedStep(name, step, fuse, options)]),
    ) as typeof STEPS;
    return new TaskLoop({
      given: {
        client,
        store,
        trainer: new StubTrainer(fuse),
        python: { requireWorking: async () => undefined }, // the stub needs none
        catalogue: market.catalogue,
        encryptionKeys: new EncryptionKeys(market.encryptionKey),
        registration: { isOperator: true, requireOperator: async () => undefined },
        provider: market.service.provider,
        publicStorageUrl: market.storageUrl,
        jobsDirectory: join(options.directory, "jobs"),
        checkpoints: { directory: join(options.directory, "checkpoints"), days: 0, tasks: 0 },
        online: { python: "/nowhere", environment: {} },
        trackerHosts: [],
        maxDatasetBytes: 2 ** 20,
        maxModelBytes: 0,
        maxJobBytes: 2 ** 20,
        machine: new MachineHealth({ probe: async () => true, readiness, clock, log }),
        times: new TaskTimes(0),
        fetchBudget: new FetchBudget(clock, 2 ** 30),
        clock,
        log,
      },
      ...{ genesis: market.genesis, readiness, metrics: new Metrics(store), steps, clock, log },
      ...{ slots: SLOTS, confirmations, pollInterval, maxGasPrice: MAX_GAS_PRICE },
    });
  }
}

/** A step with points before it, a moment after it began, and after it. */
function fusedStep(
  name: string,
  step: StepFunction,
  fuse: Fuse,
  { beforeStep }: DaemonOptions,
): StepFunction {
  return async (context, record, signal, failures) => {
    fuse.pass(`before effect: ${name}`);
    await beforeStep?.(name);
    const during = setImmediate(() => {
      try {
        fuse.pass(`during effect: ${name}`);
      } catch {
        // dead: the step notices at its next action
      }
    });
    try {
      const found = await step(context, record, signal, failures);
      fuse.pass(`after effect: ${name}`);
      return found;
    } finally {
      clearImmediate(during);
    }
  };
}

function fuseBroadcast({ provider }: Client, fuse: Fuse, { beforeBroadcast }: DaemonOptions): void {
  const broadcast = provider.broadcastTransaction.bind(provider);
  provider.broadcastTransaction = async (raw) => {
    fuse.pass("before broadcast");
    await beforeBroadcast?.();
    const response = await broadcast(raw);
    fuse.pass("after broadcast");
    return response;
  };
}
