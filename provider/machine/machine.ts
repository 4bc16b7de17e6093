import type { FailReason } from "../../sdk/task/FailReason.ts";
import type { TaskState } from "../../sdk/taskStates.ts";

/**
 * The state machine of a job as a pure function: (job, event) → (job, effects).
 *
 * A job has two coordinates: `chain`, the task's state in the contract when it was last read, and `work`, the progress
 * on this machine. The next step depends on these two alone. Therefore a reorganization, which may put the task back
 * into an earlier state, needs no rules of its own: the missing step is simply run again. At most one step is pending
 * at a time.
 */

/** Progress on this machine, in order. */
export const WORK = [
  "none",
  "verified",
  "fetched",
  "counted",
  "trained",
  "packaged",
  "sealed",
  "uploaded",
] as const;
export type Work = (typeof WORK)[number];

/** Steps on this machine. Each advances the work by one. */
const LOCAL_STEPS = ["verify", "fetch", "count", "train", "package", "seal", "upload"] as const;
/** Steps on chain. The task's state shows whether they are done. */
const CHAIN_STEPS = [
  "accept",
  "deliver",
  "answer",
  "reveal",
  "finalize",
  "lapse",
  "fail",
  "settle",
] as const;

export type LocalStep = (typeof LOCAL_STEPS)[number];
export type ChainStep = (typeof CHAIN_STEPS)[number];
/** `clean` removes the files of an ended job. */
export type Step = LocalStep | ChainStep | "clean";

export const STEPS: readonly Step[] = [...LOCAL_STEPS, ...CHAIN_STEPS, "clean"];

/** "Unread": the task's state has not been read yet. "None": its creation was undone by a reorganization. */
export type ChainState = TaskState | "Unread" | "None";

export interface Failure {
  readonly reason: FailReason;
  readonly message: string;
  readonly hint: string;
}

/** The user's consent to end a running task; see SettlementConsent. */
export interface Settlement {
  /** Neuron, decimal. */
  readonly amount: string;
  /** Unix seconds by the chain's clock. */
  readonly deadline: number;
  readonly signature: string;
}

export interface Job {
  readonly chain: ChainState;
  /** Deadline of the regular transition out of this state, in unix seconds by the chain's clock; 0 if there is none. */
  readonly deadline: number;
  /** Whether `deadline` has passed by the chain's clock. */
  readonly due: boolean;
  /** Seconds from acceptance to the training deadline. */
  readonly trainingTime: number;
  readonly work: Work;
  /** Whether a training slot has been granted. It is held from acceptance until the training has ended. */
  readonly slot: boolean;
  /** Why the task will be given up; null if there is no reason. */
  readonly failure: Failure | null;
  /** The user's consent to stop the task now; null if it is to continue. */
  readonly settlement: Settlement | null;
  /** The step that has been emitted and has not ended yet. */
  readonly pending: Step | null;
  readonly cleaned: boolean;
}

export type JobEvent =
  /** The task was read from the chain. */
  | {
      readonly type: "chain";
      readonly state: ChainState;
      readonly deadline: number;
      readonly trainingTime: number;
    }
  /**
   * The chain's time is `now`, in unix seconds; `margin` seconds before the training deadline are reserved to package,
   * seal, upload and deliver, or to give up.
   */
  | { readonly type: "time"; readonly now: number; readonly margin: number }
  /** The user ends the running task for a part of the fee. */
  | { readonly type: "cancel"; readonly settlement: Settlement }
  /** The scheduler grants a slot. */
  | { readonly type: "slot" }
  /** A step has succeeded. After a step on chain, the task has been read again. */
  | { readonly type: "done"; readonly step: Step }
  /** A step has found that the task can never succeed. */
  | { readonly type: "refused"; readonly step: Step; readonly failure: Failure };

export interface Transition {
  readonly job: Job;
  readonly effects: readonly Step[];
}

/** A job whose task has not been read from the chain yet. */
export function newJob(): Job {
  return {
    chain: "Unread",
    deadline: 0,
    due: false,
    trainingTime: 0,
    work: "none",
    slot: false,
    failure: null,
    settlement: null,
    pending: null,
    cleaned: false,
  };
}

/** Processes an event. Repeated, late or reordered events do no harm. */
export function advance(before: Job, event: JobEvent): Transition {
  const observed = observe(before, event);
  const wanted = nextStep(observed);
  if (observed.pending !== null && !mayReplace(observed.pending, wanted)) {
    return { job: observed, effects: [] };
  }
  const effects = wanted !== null && wanted !== observed.pending ? [wanted] : [];
  // Files may be missing as soon as their removal was decided.
  const isDropped = observed.pending === "clean" && wanted !== "clean";
  const work = isDropped ? redoable(observed.work) : observed.work;
  return { job: { ...observed, work, pending: wanted }, effects };
}

function observe(job: Job, event: JobEvent): Job {
  switch (event.type) {
    case "chain":
      return observeChain(
        { ...job, trainingTime: event.trainingTime },
        event.state,
        event.deadline,
      );
    case "time":
      return observeTime(job, event);
    case "cancel":
      return maySettle(job) ? { ...job, settlement: event.settlement } : job;
    case "slot":
      return waitsForSlot(job) ? { ...job, slot: true } : job;
    case "done":
      return event.step === job.pending ? finish(job, event.step) : job;
    case "refused":
      return event.step === job.pending && job.failure === null
        ? { ...job, failure: event.failure, pending: null }
        : job;
  }
}

function observeChain(job: Job, chain: ChainState, deadline: number): Job {
  if (chain === job.chain && deadline === job.deadline) return job;
  const moved = { ...job, chain, deadline, due: false };
  if (!job.cleaned || isEndState(chain)) return moved;
  // The task is open again: acknowledged late, or its end was undone by a reorganization. The files are gone.
  return { ...moved, cleaned: false, work: redoable(job.work) };
}

/** The work that is still valid once the files are gone: an uploaded model is in the storage, the rest is redone. */
function redoable(work: Work): Work {
  return work === "uploaded" || work === "none" ? work : "verified";
}

/** Whether a running task can be ended by consent: before its delivery, if nothing else has ended it. */
export function maySettle(job: Job): boolean {
  return job.chain === "Accepted" && !job.due && job.failure === null && !job.settlement;
}

function observeTime(job: Job, { now, margin }: Moment): Job {
  if (job.deadline === 0) return job;
  const outOfTime =
    job.chain === "Accepted" &&
    job.failure === null &&
    beforeTrained(job.work) &&
    now > job.deadline - margin;
  return {
    ...job,
    due: now > job.deadline,
    failure: outOfTime ? OUT_OF_TIME : job.failure,
    settlement: isExpired(job.settlement, now) ? null : job.settlement,
  };
}

/** An expired consent is void: the task continues. */
const isExpired = (settlement: Settlement | null, now: number) =>
  !!settlement && now > settlement.deadline;

type Moment = Pick<Extract<JobEvent, { type: "time" }>, "now" | "margin">;

/** Whether a time event would change the job. */
export function changesWithTime(job: Job, moment: Moment): boolean {
  const after = observeTime(job, moment);
  return (
    after.due !== job.due || after.failure !== job.failure || after.settlement !== job.settlement
  );
}

/** Giving a task up never costs the provider more than missing its deadline, and its user is free to order again. */
const OUT_OF_TIME: Failure = {
  reason: "ProviderBusy",
  message: "The training could not be finished before the task's deadline.",
  hint: "Order again with fewer epochs or a smaller dataset; the fee was returned.",
};

function finish(job: Job, step: Step): Job {
  if (step === "clean") {
    // The task's end may have been undone meanwhile: the files are gone, and the job continues without them.
    return isEndState(job.chain) || isRefused(job)
      ? { ...job, cleaned: true, pending: null }
      : { ...job, work: redoable(job.work), pending: null };
  }
  if (isLocal(step)) return { ...job, work: WORK[LOCAL_STEPS.indexOf(step) + 1]!, pending: null };
  // A step on chain has ended when the chain shows it; until then it stays pending and is retried.
  return nextStep(job) === step ? job : { ...job, pending: null };
}

/** The next step by the two coordinates; null if another party has to act first. */
function nextStep(job: Job): Step | null {
  return (NEXT_STEPS[job.chain] ?? stepAtEnd)(job);
}

/** The next step in each state in which the provider may have one. In all others, only the files are removed. */
const NEXT_STEPS: Partial<Record<ChainState, (job: Job) => Step | null>> = {
  Unread: () => null,
  Created: stepBeforeAcceptance,
  Accepted: stepBeforeDelivery,
  Delivered: ({ due }) => (due ? "lapse" : null),
  Demanded: ({ due }) => (due ? null : "answer"),
  Acknowledged: ({ due }) => (due ? null : "reveal"),
  Revealed: ({ due }) => (due ? "finalize" : null),
};

function stepBeforeAcceptance(job: Job): Step | null {
  // Refusing an order costs no gas: its user sees the reason in the API, and cancels it.
  if (job.failure) return stepAtEnd(job);
  if (beforeCounted(job.work)) return nextWork(job.work);
  return job.slot ? "accept" : null;
}

function stepBeforeDelivery({ due, failure, settlement, work, slot }: Job): Step | null {
  if (due) return null; // too late for the provider: the user collects fee and compensation
  if (failure) return "fail";
  if (settlement) return "settle";
  if (work === "uploaded") return "deliver";
  return slot || work !== "counted" ? nextWork(work) : null;
}

function stepAtEnd({ cleaned }: Job): Step | null {
  return cleaned ? null : "clean";
}

function nextWork(work: Exclude<Work, "uploaded">): LocalStep {
  return LOCAL_STEPS[WORK.indexOf(work)]!;
}

/**
 * A step on this machine is dropped as soon as another one is due: the task was cancelled, ran out of time or has
 * ended, or it was acknowledged late while its files are being removed. A step on chain is never dropped, since its
 * transaction may already be sent: it ends by itself.
 */
function mayReplace(pending: Step, wanted: Step | null): boolean {
  return !isChainStep(pending) && pending !== wanted;
}

function isLocal(step: Step): step is LocalStep {
  return (LOCAL_STEPS as readonly Step[]).includes(step);
}

/** Whether the step is a transaction, whose effect is visible in the task's state. */
export function isChainStep(step: Step): step is ChainStep {
  return (CHAIN_STEPS as readonly Step[]).includes(step);
}

function beforeCounted(work: Work): work is "none" | "verified" | "fetched" {
  return WORK.indexOf(work) < WORK.indexOf("counted");
}

function beforeTrained(work: Work): boolean {
  return WORK.indexOf(work) < WORK.indexOf("trained");
}

/** Whether the task is open, not given up, and its training has not ended. */
function isRunnable(job: Job): boolean {
  return (
    (job.chain === "Created" || (job.chain === "Accepted" && !job.due)) &&
    job.failure === null &&
    !job.settlement &&
    beforeTrained(job.work)
  );
}

/** Whether the job occupies a training slot. */
export function holdsSlot(job: Job): boolean {
  return job.slot && isRunnable(job);
}

/** Whether the job could continue if it had a slot. */
export function waitsForSlot(job: Job): boolean {
  return !job.slot && isRunnable(job) && job.work === "counted";
}

/** Whether the order passed the checks and waits for its training; its dataset may still have to be fetched. */
export function isQueued(job: Job): boolean {
  return !job.slot && isRunnable(job) && job.work !== "none";
}

/** Whether the provider will not accept the order. The API asks its user to cancel it. */
export function isRefused(job: Pick<Job, "chain" | "failure">): boolean {
  return job.chain === "Created" && job.failure !== null;
}

/** Whether the order's dataset is on this disk although the order is not accepted yet. */
export function isPrepared(job: Job): boolean {
  return isBeforeAcceptance(job) && !job.slot && (job.work === "fetched" || job.work === "counted");
}

/** Whether the order has not been accepted yet. */
export function isBeforeAcceptance({ chain }: Pick<Job, "chain">): boolean {
  return chain === "Created";
}

/** Whether nothing further can happen to the job. A lapsed task may be acknowledged late, until its deadline. */
export function hasEnded(job: Job): boolean {
  return job.cleaned && (job.chain !== "Lapsed" || job.due);
}

/** Whether the provider has no next step in this state. */
function isEndState(chain: ChainState): boolean {
  return !(chain in NEXT_STEPS);
}
