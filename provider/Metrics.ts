import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { holdsSlot, STEPS, type Step, waitsForSlot } from "./machine/machine.ts";
import type { Store } from "./store/Store.ts";

/** Seconds: from a transaction to a training run of several days. */
const STEP_BUCKETS = [0.05, 0.25, 1, 5, 15, 60, 300, 1_800, 7_200, 43_200, 259_200];

/** Milliseconds without reading the chain after which the daemon is not ready. */
const CHAIN_TIMEOUT_MS = 60_000;

/** The metrics for the operator: open jobs and transactions, and the durations and failures of each step. */
export class Metrics {
  readonly registry = new Registry();
  readonly #steps: Histogram<"step">;
  readonly #failures: Counter<"step">;
  #lastPoll = Number.NEGATIVE_INFINITY;

  constructor(store: Store) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.#steps = new Histogram({
      name: "anneal_step_seconds",
      help: "Duration of completed job steps",
      labelNames: ["step"],
      buckets: STEP_BUCKETS,
      registers,
    });
    this.#failures = new Counter({
      name: "anneal_step_failures_total",
      help: "Failed attempts at job steps",
      labelNames: ["step"],
      registers,
    });
    for (const step of STEPS) this.#failures.inc({ step }, 0);
    addJobGauge(store, registers);
    addTransactionGauge(store, registers);
  }

  stepDone(step: Step, milliseconds: number): void {
    this.#steps.observe({ step }, milliseconds / 1000);
  }

  stepFailed(step: Step): void {
    this.#failures.inc({ step });
  }

  /** Records that the chain was read at `now`, in milliseconds. */
  chainSeen(now: number): void {
    this.#lastPoll = now;
  }

  /** Whether the chain was read recently: otherwise nothing is accepted and no deadline can be met. */
  isReady(now: number): boolean {
    return now - this.#lastPoll < CHAIN_TIMEOUT_MS;
  }
}

function addJobGauge(store: Store, registers: Registry[]): void {
  new Gauge({
    name: "anneal_jobs",
    help: "Open jobs by state",
    labelNames: ["state"],
    registers,
    collect() {
      const jobs = store.openJobs();
      const running = jobs.filter(({ job }) => holdsSlot(job)).length;
      const waiting = jobs.filter(({ job }) => waitsForSlot(job)).length;
      this.set({ state: "running" }, running);
      this.set({ state: "waiting" }, waiting);
      this.set({ state: "other" }, jobs.length - running - waiting);
    },
  });
}

function addTransactionGauge(store: Store, registers: Registry[]): void {
  new Gauge({
    name: "anneal_transactions_under_way",
    help: "Transactions that are signed but not final",
    registers,
    collect() {
      this.set(store.openTransactions().length);
    },
  });
}
