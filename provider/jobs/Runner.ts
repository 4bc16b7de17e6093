import type { Logger } from "pino";
import { formatTaskId, type TaskId } from "../../sdk/ids.ts";
import { backoff, type Clock } from "../clock.ts";
import { asProviderError, StateUnusableError, TaskRefusedError } from "../errors.ts";
import type { Metrics } from "../Metrics.ts";
import {
  changesWithTime,
  isChainStep,
  isPrepared,
  type JobEvent,
  type Step,
} from "../machine/machine.ts";
import type { Readiness } from "../Readiness.ts";
import { readTaskState } from "../steps/parts/readTaskState.ts";
import type { StepContext, StepFunction } from "../steps/parts/StepContext.ts";
import type { Effect, Facts, JobRecord } from "../store/Store.ts";
import { Agenda, type Due } from "./Agenda.ts";
import { applyEvent } from "./applyEvent.ts";
import { type Lane, LaneUsage, laneOf, MAX_PREPARED } from "./lanes.ts";
import { StallWatch } from "./StallWatch.ts";
import { grantSlots } from "./scheduler.ts";

export interface RunnerOptions {
  readonly context: StepContext;
  readonly steps: Readonly<Record<Step, StepFunction>>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Number of concurrent training runs. */
  readonly slots: number;
  /** Blocks on top of the block whose state counts. */
  readonly confirmations: number;
  readonly metrics: Pick<Metrics, "stepDone" | "stepFailed">;
  readonly readiness: Readiness;
}

/** Milliseconds after which the jobs are checked even if nothing has happened. */
const MAX_IDLE = 5_000;
const MIN_IDLE = 10;
/** Milliseconds between readings of all open tasks, in case an event was never reported. */
const RECONCILE_INTERVAL = 300_000;
/** Milliseconds between checks of transactions that no step takes care of. */
const UNBLOCK_INTERVAL = 5_000;
/** Tasks read from the chain concurrently. */
const READERS = 8;

/** A running step. */
interface Run {
  readonly step: Step;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/**
 * Runs the open steps of all jobs, one per job at a time, and reports their results to the state machine. A step that
 * is running when the daemon dies is still open in the store, and runs again.
 */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #agenda: Agenda;
  readonly #stallWatch: StallWatch;
  readonly #lanes = new LaneUsage();
  readonly #runs = new Map<TaskId, Run>();
  readonly #background = new Set<Promise<void>>();
  readonly #reading = new Set<TaskId>();
  #readers = 0;
  #wake: () => void = () => undefined;
  #chainTime = 0;
  #reconciledAt = Number.NEGATIVE_INFINITY;
  #tendedAt = Number.NEGATIVE_INFINITY;
  /** The error of the state database, if it has failed. */
  #broken: unknown = null;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#agenda = new Agenda(options.context.store);
    this.#stallWatch = new StallWatch(options);
  }

  /** The chain's time at the last poll, in unix seconds. */
  get chainTime(): number {
    return this.#chainTime;
  }

  /** Sets the chain's time, in unix seconds, and wakes the loop: there may be new events. */
  notify(chainTime: number): void {
    this.#chainTime = chainTime;
    this.#wake();
  }

  /** Checks the jobs now, because a job was changed elsewhere. */
  wake(): void {
    this.#wake();
  }

  /**
   * Runs until `signal` aborts, then stops every step and waits until it has ended.
   * @throws StateUnusableError if the state database fails.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const watching = this.#stallWatch.run(signal);
    try {
      while (!signal.aborted && this.#broken === null) {
        const woken = new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#pass(signal);
        await this.#idle(woken, signal);
        await clock.sleep(MIN_IDLE, signal); // batches events that arrive together
      }
    } finally {
      const runs = [...this.#runs.values()];
      for (const { stop } of runs) stop.abort();
      await Promise.all(runs.map(({ ended }) => ended));
      await Promise.all(this.#background);
    }
    if (signal.aborted) await watching;
    if (this.#broken !== null) throw this.#broken;
  }

  #pass(signal: AbortSignal): void {
    const { context, clock, slots } = this.#options;
    const { store, machine, registration } = context;
    this.#reconcile(signal);
    this.#readStale(signal);
    for (const record of store.openJobs()) this.#applyTime(record);
    for (const [id, { step, stop }] of this.#runs)
      if (store.job(id)?.job.pending !== step) stop.abort(); // no longer pending: changed through the API
    const granted = grantSlots(
      store.openJobs(),
      slots,
      !machine.isBroken && registration.isOperator,
    );
    for (const id of granted) this.#apply(id, { type: "slot" });
    const due = this.#agenda.due(clock.now());
    for (const each of due) this.#start(each);
    this.#stallWatch.notePass(due.filter(({ effect }) => !this.#runs.has(effect.id)));
  }

  #applyTime(record: JobRecord): void {
    const margin = this.#options.context.times.margin(record);
    const time = { type: "time", now: this.#chainTime, margin } as const;
    if (changesWithTime(record.job, time)) this.#apply(record.id, time);
  }

  /** Periodically compares the jobs with the chain, whether or not there were events. */
  #reconcile(signal: AbortSignal): void {
    const { context, clock, log } = this.#options;
    const now = clock.now();
    if (now - this.#reconciledAt > RECONCILE_INTERVAL) {
      this.#reconciledAt = now;
      context.store.markOpenStale();
    }
    if (now - this.#tendedAt > UNBLOCK_INTERVAL) {
      this.#tendedAt = now;
      this.#inBackground(context.submitter.unblock(signal), (error) =>
        log.warn({ err: error }, "stuck transactions cannot be checked"),
      );
    }
  }

  /** Reads stale tasks from the chain with a limited number of readers, each of which continues until none is left. */
  #readStale(signal: AbortSignal): void {
    while (this.#readers < READERS && this.#nextStale() !== null) {
      this.#readers++;
      const reader = this.#readUntilDone(signal).finally(() => this.#readers--);
      this.#inBackground(reader, () => undefined);
    }
  }

  async #readUntilDone(signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    for (let id = this.#nextStale(); id !== null && !signal.aborted; id = this.#nextStale()) {
      this.#reading.add(id);
      try {
        await this.#refresh(id);
      } catch (error) {
        rethrowUnusable(error);
        log.warn({ task: formatTaskId(id), err: error }, "the task cannot be read");
        return; // the next pass tries again
      } finally {
        this.#reading.delete(id);
        this.#wake();
      }
    }
  }

  #nextStale(): TaskId | null {
    const stale = this.#options.context.store.staleJobs(READERS + 1);
    return stale.find((id) => !this.#reading.has(id)) ?? null;
  }

  #inBackground(work: Promise<void>, onError: (error: unknown) => void): void {
    const settled = work
      .catch((error) => {
        if (error instanceof StateUnusableError) this.#break(error);
        else onError(error);
      })
      .finally(() => this.#background.delete(settled));
    this.#background.add(settled);
  }

  #break(error: unknown): void {
    this.#broken ??= error;
    this.#wake();
  }

  async #idle(woken: Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const now = clock.now();
    const pause = Math.min(MAX_IDLE, this.#agenda.nextAfter(now) - now);
    const rested = new AbortController();
    const either = AbortSignal.any([signal, rested.signal]);
    await Promise.race([woken, clock.sleep(pause, either)]);
    rested.abort();
  }

  /** Reads a task from the chain and updates its job. */
  async #refresh(id: TaskId): Promise<void> {
    const { context, confirmations } = this.#options;
    const { store } = context;
    const staleness = store.staleness(id); // an event that arrives during the read makes the task stale again
    this.#apply(id, await readTaskState(context, id, confirmations));
    store.clearStale(id, staleness);
  }

  #apply(id: TaskId, event: JobEvent, found?: Facts): JobRecord | null {
    const record = applyEvent(this.#options.context.store, id, event, found);
    const run = this.#runs.get(id);
    // The step is no longer pending: the task was cancelled, ran out of time, or has ended.
    if (run && record && record.job.pending !== run.step) run.stop.abort(givenUpError(record));
    return record;
  }

  #start({ effect, record: { user, ...record } }: Due): void {
    const { id, step } = effect;
    if (this.#runs.has(id)) return; // one per job at a time; the end of the other step wakes the loop
    const lane = laneOf(step, { user, ...record });
    if (!this.#mayStart(step, lane, user)) return;
    const stop = new AbortController();
    this.#lanes.enter(lane, user);
    const ended = this.#take(effect, stop.signal)
      .catch((error) => this.#break(error)) // the failure itself could not be stored
      .finally(() => {
        this.#runs.delete(id);
        this.#lanes.leave(lane, user);
        this.#wake();
      });
    this.#runs.set(id, { step, stop, ended });
  }

  #mayStart(step: Step, lane: Lane, user: string): boolean {
    if (!this.#lanes.mayEnter(lane, user)) return false;
    if (lane === "intake" && !this.#options.context.registration.isOperator) return false;
    if (lane !== "intake" || step !== "fetch") return true;
    const prepared = this.#options.context.store.openJobs().filter(({ job }) => isPrepared(job));
    return prepared.length + this.#lanes.count("intake") < MAX_PREPARED;
  }

  async #take(effect: Effect, signal: AbortSignal): Promise<void> {
    const { id, step, strikes } = effect;
    const { context, steps, clock, log } = this.#options;
    const record = context.store.job(id);
    if (!record) return;
    const taskLog = log.child({ task: formatTaskId(id), step });
    const started = clock.now();
    try {
      const found = await steps[step](context, record, signal, strikes);
      if (isChainStep(step)) await this.#refresh(id);
      const after = this.#apply(id, { type: "done", step }, found);
      if (after?.job.pending === step)
        throw new Error("The chain does not show the step's effect yet.");
      const milliseconds = clock.now() - started;
      this.#options.metrics.stepDone(step, milliseconds);
      context.times.note(step, after ?? record, milliseconds);
      if (step === "train") context.machine.noteTrained();
      taskLog.info({ milliseconds }, "step done");
    } catch (error) {
      if (error instanceof StateUnusableError) throw error;
      if (signal.aborted) taskLog.info("step stopped");
      else await this.#failed(effect, error, taskLog);
    }
  }

  async #failed(
    { id, step, failures, strikes }: Effect,
    error: unknown,
    log: Logger,
  ): Promise<void> {
    const { context } = this.#options;
    if (error instanceof TaskRefusedError) {
      const { reason, message, hint } = error;
      log.warn({ reason, message, hint }, "task refused");
      this.#apply(id, { type: "refused", step, failure: { reason, message, hint } });
      return;
    }
    const { message, hint, cause, retryable, isReported, ...failure } = asProviderError(error);
    if (isChainStep(step)) {
      // The usual reason for a revert: the task has changed its state meanwhile.
      await this.#refresh(id).catch(rethrowUnusable);
      const after = this.#apply(id, { type: "done", step });
      if (after?.job.pending !== step) return log.info({ message }, "step superseded");
    }
    this.#options.metrics.stepFailed(step);
    const delay = backoff(failures + 1);
    log[isReported ? "debug" : failures < 3 && retryable ? "warn" : "error"](
      { message, hint, err: cause, delay },
      "step failed",
    );
    context.store.failEffect(id, step, failure.strikes ?? strikes);
  }
}

/** The reason for aborting a step. A task that has failed has no state to save. */
function givenUpError({ job: { failure } }: JobRecord): TaskRefusedError | undefined {
  return failure ? new TaskRefusedError(failure.reason, failure.message, failure.hint) : undefined;
}

/** A failed read of the chain is retried; a failed state database ends the daemon. */
function rethrowUnusable(error: unknown): void {
  if (error instanceof StateUnusableError) throw error;
}
