import type { Logger } from "pino";
import { ProtocolError } from "../../sdk/errors.ts";
import { formatTaskId, type TaskId } from "../../sdk/ids.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import { backoff, type Clock } from "../clock.ts";
import { asProviderError, TaskRefused } from "../errors.ts";
import type { Effect, Facts, JobRecord } from "../store/Store.ts";
import { applyEvent } from "./applyEvent.ts";
import { isChainStep, type JobEvent, type Step } from "./machine.ts";
import type { StepContext, StepFunction } from "./StepContext.ts";
import { grantSlots } from "./scheduler.ts";

export interface RunnerOptions {
  readonly context: StepContext;
  readonly steps: Readonly<Record<Step, StepFunction>>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Trainings at the same time. */
  readonly slots: number;
}

/** Milliseconds after which the tasks are looked at even when nothing has happened. */
const LONGEST_REST = 5_000;

/** A step under way. */
interface Run {
  readonly step: Step;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/**
 * Takes the open steps of all jobs, one per job at a time, and tells the state machine how they ended. Whatever is
 * under way when the daemon dies is still open in the store, and is taken again.
 */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #runs = new Map<TaskId, Run>();
  #wake: () => void = () => undefined;
  #chainTime = 0;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** Tells the chain's clock, in unix seconds, and that events may have come. */
  notify(chainTime: number): void {
    this.#chainTime = Math.max(this.#chainTime, chainTime);
    this.#wake();
  }

  /** Works until `signal` aborts; then stops every step and waits for its end. */
  async run(signal: AbortSignal): Promise<void> {
    for (const { id } of this.#options.context.store.openJobs()) {
      this.#options.context.store.markStale(id); // events may have been missed: what counts is the state
    }
    while (!signal.aborted) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await this.#pass();
      await this.#rest(woken, signal);
    }
    const runs = [...this.#runs.values()];
    for (const { stop } of runs) stop.abort();
    await Promise.all(runs.map(({ ended }) => ended));
  }

  async #pass(): Promise<void> {
    const { context, clock, log, slots } = this.#options;
    const { store } = context;
    for (const id of store.staleJobs()) {
      await this.#refresh(id).catch((error) =>
        log.warn({ task: formatTaskId(id), err: error }, "the task cannot be read"),
      );
    }
    const time: JobEvent = { type: "time", now: this.#chainTime };
    for (const { id, job } of store.openJobs()) if (job.deadline > 0) this.#apply(id, time);
    for (const id of grantSlots(store.openJobs(), slots)) this.#apply(id, { type: "slot" });
    for (const effect of store.dueEffects(clock.now())) this.#start(effect);
  }

  async #rest(woken: Promise<void>, signal: AbortSignal): Promise<void> {
    const { context, clock } = this.#options;
    const now = clock.now();
    const next = context.store.nextEffectAfter(now) ?? Number.POSITIVE_INFINITY;
    const pause = Math.min(LONGEST_REST, next - now);
    const rested = new AbortController();
    const either = AbortSignal.any([signal, rested.signal]);
    await Promise.race([woken, clock.sleep(pause, either)]);
    rested.abort();
  }

  /** Reads a task from the chain and tells its job. */
  async #refresh(id: TaskId): Promise<void> {
    const { store, client } = this.#options.context;
    const staleness = store.staleness(id); // an event that comes while the chain is read counts anew
    this.#apply(id, await readState(client, id));
    store.clearStale(id, staleness);
  }

  #apply(id: TaskId, event: JobEvent, found?: Facts): JobRecord | null {
    const record = applyEvent(this.#options.context.store, id, event, found);
    const run = this.#runs.get(id);
    // A step that is wanted no longer: the task was cancelled, is out of time, or over.
    if (run && record && record.job.pending !== run.step) run.stop.abort();
    return record;
  }

  #start({ id, step, failures }: Effect): void {
    if (this.#runs.has(id)) return; // one at a time; the end of the other wakes the loop
    const stop = new AbortController();
    const ended = this.#take(id, step, failures, stop.signal).finally(() => {
      this.#runs.delete(id);
      this.#wake();
    });
    this.#runs.set(id, { step, stop, ended });
  }

  async #take(id: TaskId, step: Step, failures: number, signal: AbortSignal): Promise<void> {
    const { context, steps, clock, log } = this.#options;
    const record = context.store.job(id);
    if (!record) return;
    const taskLog = log.child({ task: formatTaskId(id), step });
    const started = clock.now();
    try {
      const found = await steps[step](context, record, signal, failures);
      if (isChainStep(step)) await this.#refresh(id);
      const after = this.#apply(id, { type: "done", step }, found);
      if (after?.job.pending === step)
        throw new Error("the chain does not show the step's effect yet");
      taskLog.info({ milliseconds: clock.now() - started }, "step done");
    } catch (error) {
      if (signal.aborted) taskLog.info("step stopped");
      else await this.#failed(id, step, failures, error, taskLog);
    }
  }

  async #failed(
    id: TaskId,
    step: Step,
    failures: number,
    error: unknown,
    log: Logger,
  ): Promise<void> {
    const { context, clock } = this.#options;
    if (error instanceof TaskRefused) {
      const { reason, message, hint } = error;
      log.warn({ reason, message, hint }, "task refused");
      this.#apply(id, { type: "refused", step, failure: { reason, message, hint } });
      return;
    }
    const { message, hint, cause, retryable } = asProviderError(error);
    if (isChainStep(step)) {
      // The usual reason of a revert: the task has moved on without us.
      await this.#refresh(id).catch(() => undefined);
      const after = this.#apply(id, { type: "done", step });
      if (after?.job.pending !== step) return log.info({ message }, "step overtaken");
    }
    const delay = backoff(failures + 1);
    log[failures < 3 && retryable ? "warn" : "error"](
      { message, hint, err: cause, delay },
      "step failed",
    );
    context.store.delayEffect(id, step, clock.now() + delay);
  }
}

async function readState(client: StepContext["client"], id: TaskId): Promise<JobEvent> {
  try {
    const { state, deadline, trainingTime } = await getTask(client, { id });
    return { type: "chain", state, deadline, trainingTime };
  } catch (error) {
    if (!(error instanceof ProtocolError && error.code === "not-found")) throw error;
    return { type: "chain", state: "None", deadline: 0, trainingTime: 0 };
  }
}
