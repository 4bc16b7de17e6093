import type { ErrorCode } from "../errors.ts";
import type { TaskState } from "../taskStates.ts";
import { formatOg } from "../units.ts";
import { type Progress, progressOf } from "./progressOf.ts";
import type { Task } from "./Task.ts";

/**
 * The user's next step; null if there is nothing to do. "claim" is the verb `expire`, or `cancelTask` for a task that
 * was never accepted.
 */
export type NextStep =
  | "wait"
  | "acknowledge"
  | "wait-for-key"
  | "decrypt"
  | "claim"
  | "read-log"
  | null;

/** Who is responsible if there will be no model, as the code of an error. */
export type FailureCode = Extract<
  ErrorCode,
  "task-failed-by-provider" | "task-failed-by-input" | "declined"
>;

/** What the state of a task means to its user. */
export interface Standing {
  /** "Failed" also if no model can come and the chain does not say so yet. */
  readonly progress: Progress;
  /** The state in sentences, with the relevant deadlines and amounts. */
  readonly meaning: string;
  readonly next: NextStep;
  /** Why there will be no model; null if there still can be one. In state Failed, the reason on chain may say more. */
  readonly failure: FailureCode | null;
}

/** The part of a task that its standing depends on. */
export type StandingTask = Pick<
  Task,
  "state" | "deadline" | "fee" | "rebate" | "paid" | "bondBps" | "unacknowledgedBps" | "size"
>;

/**
 * Computes what the state of a task means to its user.
 * @param now unix seconds by the chain's clock
 * @example const { progress, next } = standingOf(task, Date.now() / 1_000);
 */
export function standingOf(task: StandingTask, now: number): Standing {
  const { state, deadline } = task;
  const isLate = deadline !== 0 && now > deadline;
  const until = new Date(deadline * 1_000).toISOString();
  switch (state) {
    case "Created":
      return isLate ? unaccepted(task, until) : alive(task, "wait", WAITING);
    case "Accepted":
    case "Demanded":
    case "Acknowledged":
      return provided(task, isLate, until);
    case "Delivered":
      return alive(task, "acknowledge", isLate ? lapsing(task, shareOf(task)) : due(task, until));
    case "Lapsed":
      return lapsed(task, isLate, until);
    case "Revealed":
      return alive(task, "decrypt", decryptBy(isLate ? null : until));
    case "Settled":
      if (task.size === 0) return stopped(task);
      return alive(task, "decrypt", "The model was delivered, and the fee is paid.");
    default:
      return failed(...ENDS[state]);
  }
}

/** What the provider owes in the states in which it has to act, and what the user does meanwhile. */
const PROMISES = {
  Accepted: ["deliver the model", "wait"],
  Demanded: ["show that it has the model", "wait"],
  Acknowledged: ["publish the key", "wait-for-key"],
} as const;

function provided(task: StandingTask, isLate: boolean, until: string): Standing {
  const [promise, next] = PROMISES[task.state as keyof typeof PROMISES];
  if (isLate) return overdue(task, `${promise} by ${until}`);
  return alive(task, next, `The provider has until ${until} to ${promise}.`);
}

function lapsed(task: StandingTask, isLate: boolean, until: string): Standing {
  if (isLate) return failed("declined", "The model was not acknowledged in time.");
  const meaning = `${lapsing(task, task.paid)} This is possible until ${until}.`;
  return { ...alive(task, "acknowledge", meaning), progress: "Delivered" };
}

/** @param until the end of the dispute period; null after it */
const decryptBy = (until: string | null) =>
  until === null
    ? "The key is published. Decrypt the model."
    : `The key is published. Decrypt the model by ${until}: until then a wrong model brings the fee back.`;

const WAITING = "The provider has not accepted it yet. It can be cancelled.";

type End = Extract<TaskState, "Cancelled" | "Failed" | "Expired" | "Slashed">;

/** Final states, whose meaning does not depend on the time. */
const ENDS: Record<End, readonly [FailureCode, string]> = {
  Cancelled: ["declined", "Cancelled before a provider accepted it. Its fee was released."],
  Failed: ["task-failed-by-provider", "The provider failed the task. Its fee was released."],
  Expired: [
    "task-failed-by-provider",
    "The provider missed a deadline. The fee was released, and its user got a part of the bond.",
  ],
  Slashed: [
    "task-failed-by-provider",
    "The provider delivered something other than it committed to. The fee was released, and its user got half of the bond.",
  ],
};

/** What the user gets from a task that no model can come of, in neuron. */
export interface Claim {
  readonly fee: bigint;
  /** The user's part of the provider's bond. */
  readonly bond: bigint;
}

/**
 * Computes what the user gets when an overdue task is ended.
 * @example
 * const { fee, bond } = claimOf(task);
 * console.log(`${formatOg(fee)} OG of the fee and ${formatOg(bond)} OG of the bond`);
 */
export function claimOf(task: StandingTask): Claim {
  if (task.state === "Created") return { fee: task.fee, bond: 0n };
  const bond = (task.fee * BigInt(task.bondBps) + BPS - 1n) / BPS;
  const part = task.state === "Accepted" ? bond / 4n : (bond + 1n) / 2n;
  return { fee: chargeOf(task) - task.paid, bond: part };
}

/** After the deadline, the provider's step is no longer possible; only `expire` is. */
function overdue(task: StandingTask, what: string): Standing {
  const { fee, bond } = claimOf(task);
  const meaning = `The provider did not ${what}. You can claim ${og(fee)} of the fee and ${og(bond)} of the provider's bond.`;
  return { progress: "Failed", meaning, next: "claim", failure: "task-failed-by-provider" };
}

/** The order is no longer valid, so that nobody can accept it. */
function unaccepted({ fee }: StandingTask, until: string): Standing {
  const meaning = `The provider did not accept it by ${until}. You can claim ${og(fee)} of the fee.`;
  return { progress: "Failed", meaning, next: "claim", failure: "declined" };
}

function failed(failure: FailureCode, meaning: string): Standing {
  const next = failure === "declined" ? null : "read-log";
  return { progress: "Failed", meaning, next, failure };
}

function stopped({ paid, fee }: StandingTask): Standing {
  return failed("declined", `Stopped by its user for ${og(paid)} of its fee of ${og(fee)}.`);
}

function alive({ state }: StandingTask, next: NextStep, meaning: string): Standing {
  return { progress: progressOf(state), meaning, next, failure: null };
}

const due = (task: StandingTask, until: string) =>
  `The model can be downloaded. Acknowledge it by ${until}: after that, ${og(shareOf(task))} of the fee are lost, and the provider's bond no longer covers it.`;

const lapsing = (task: StandingTask, paid: bigint) =>
  `The model was not acknowledged in time, which costs ${og(paid)} of the fee. It can still be acknowledged for the other ${og(chargeOf(task) - paid)}, no longer covered by the provider's bond.`;

const BPS = 10_000n;

/** What the provider gets if the delivery is not acknowledged. */
const shareOf = (task: StandingTask) => (chargeOf(task) * BigInt(task.unacknowledgedBps)) / BPS;

/** What the user pays if all goes well. */
const chargeOf = ({ fee, rebate }: StandingTask) => fee - rebate;

const og = (neuron: bigint) => `${formatOg(neuron)} OG`;
