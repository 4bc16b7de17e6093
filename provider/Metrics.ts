import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { holdsSlot, STEPS, type Step, waitsForSlot } from "./machine/machine.ts";
import type { Store } from "./store/Store.ts";

/** Seconds; from a transaction's moment to a training of days. */
const STEP_BUCKETS = [0.05, 0.25, 1, 5, 15, 60, 300, 1_800, 7_200, 43_200, 259_200];

/** Milliseconds after which a chain that was not seen makes the daemon unready. */
const CHAIN_SILENCE = 60_000;

/** What the operator sees of the daemon: the journey of a task, one histogram of durations per step. */
export class Metrics {
  readonly registry = new Registry();
  readonly #steps: Histogram<"step">;
  readonly #failures: Counter<"step">;
  #lastLook = Number.NEGATIVE_INFINITY;

  constructor(store: Store) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.#steps = new Histogram({
      name: "anneal_step_seconds",
      help: "Duration of a job's step that was done",
      labelNames: ["step"],
      buckets: STEP_BUCKETS,
      registers,
    });
    this.#failures = new Counter({
      name: "anneal_step_failures_total",
      help: "Tries of a job's step that failed",
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

  /** Notes that the chain was read, at `now` in milliseconds. */
  chainSeen(now: number): void {
    this.#lastLook = now;
  }

  /** Whether the chain was read lately: without it, nothing is accepted and no deadline is kept. */
  isReady(now: number): boolean {
    return now - this.#lastLook < CHAIN_SILENCE;
  }
}

function addJobGauge(store: Store, registers: Registry[]): void {
  new Gauge({
    name: "anneal_jobs",
    help: "Open jobs by what they are about",
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
    help: "Transactions that are signed and not final",
    registers,
    collect() {
      this.set(store.openTransactions().length);
    },
  });
}
