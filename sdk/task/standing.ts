import type { ErrorCode } from "../errors.ts";
import { formatOg } from "../units.ts";
import { type Progress, progressOf } from "./progressOf.ts";
import type { Task } from "./Task.ts";

/** What a task asks of its user; null when there is nothing to do. "claim" is the verb `expire`. */
export type NextStep =
  | "wait"
  | "acknowledge"
  | "wait-for-key"
  | "decrypt"
  | "claim"
  | "read-log"
  | null;

export type FailureCode = Extract<
  ErrorCode,
  "task-failed-by-provider" | "task-failed-by-input" | "declined"
>;

/** What the state of a task means to its user. */
export interface Standing {
  /** One word. "Failed" also when no model can come any more and the chain does not say so yet. */
  readonly progress: Progress;
  /** In sentences, with the times and the money that matter now. */
  readonly meaning: string;
  readonly next: NextStep;
  /** Why no model comes; null if one can still come. The reason of state Failed may say more. */
  readonly failure: FailureCode | null;
}

/** What the standing of a task depends on. */
export type StandingTask = Pick<
  Task,
  "state" | "deadline" | "fee" | "paid" | "bondBps" | "unacknowledgedBps" | "size"
>;

/**
 * Says what a task means to its user.
 * @param now unix seconds by the chain's clock
 */
export function standingOf(task: StandingTask, now: number): Standing {
  const { state, deadline, fee, paid } = task;
  const isLate = deadline !== 0 && now > deadline;
  const until = new Date(deadline * 1_000).toISOString();
  const goesOn = (next: NextStep, meaning: string): Standing => {
    return { progress: progressOf(state), meaning, next, failure: null };
  };
  switch (state) {
    case "Created":
      return goesOn("wait", "The provider has not accepted it yet. It can be cancelled.");
    case "Accepted":
      if (isLate) return overdue(task, `deliver the model by ${until}`);
      return goesOn("wait", `The provider has until ${until} to deliver the model.`);
    case "Delivered": {
      const share = shareOf(task);
      if (isLate) return goesOn("acknowledge", `${missed(share)} ${stillPossible(fee - share)}.`);
      return goesOn(
        "acknowledge",
        `The model can be downloaded. Acknowledge it by ${until}: after that, ${og(share)} of the fee are lost, and the provider's bond no longer covers it.`,
      );
    }
    case "Lapsed":
      if (isLate) return failed("declined", "Nobody acknowledged the model in time.");
      return {
        ...goesOn("acknowledge", `${missed(paid)} ${stillPossible(fee - paid)}, until ${until}.`),
        progress: "Delivered",
      };
    case "Acknowledged":
      if (isLate) return overdue(task, `publish the key by ${until}`);
      return goesOn("wait-for-key", `The provider has until ${until} to publish the key.`);
    case "Revealed":
      if (isLate) return goesOn("decrypt", "The key is published. Decrypt the model.");
      return goesOn(
        "decrypt",
        `The key is published. Decrypt the model by ${until}: until then a wrong model brings the fee back.`,
      );
    case "Settled":
      if (task.size > 0) return goesOn("decrypt", "The model was delivered, and the fee is paid.");
      return failed("declined", `Stopped by its user for ${og(paid)} of its fee of ${og(fee)}.`);
    case "Cancelled":
      return failed("declined", "Cancelled before a provider accepted it. Its fee was released.");
    case "Failed":
      return failed("task-failed-by-provider", "The provider gave it up. Its fee was released.");
    case "Expired":
      return failed(
        "task-failed-by-provider",
        "The provider missed a deadline. The fee was released, and its user got a part of the bond.",
      );
    case "Slashed":
      return failed(
        "task-failed-by-provider",
        "The provider delivered something else than it committed to. The fee was released, and its user got half of the bond.",
      );
  }
}

/** What the user of an overdue task gets when it expires. Neuron. */
export function claimOf(task: StandingTask): { readonly fee: bigint; readonly bond: bigint } {
  const bond = (task.fee * BigInt(task.bondBps) + BPS - 1n) / BPS;
  return { fee: task.fee - task.paid, bond: task.state === "Accepted" ? bond / 4n : bond };
}

/** The provider may no longer do what it should have done: all that is left is `expire`. */
function overdue(task: StandingTask, what: string): Standing {
  const { fee, bond } = claimOf(task);
  const meaning = `The provider did not ${what}. You can claim ${og(fee)} of the fee and ${og(bond)} of the provider's bond.`;
  return { progress: "Failed", meaning, next: "claim", failure: "task-failed-by-provider" };
}

function failed(failure: FailureCode, meaning: string): Standing {
  const next = failure === "declined" ? null : "read-log";
  return { progress: "Failed", meaning, next, failure };
}

const missed = (paid: bigint) =>
  `The model was not acknowledged in time, which costs ${og(paid)} of the fee.`;
const stillPossible = (rest: bigint) =>
  `It can still be acknowledged for the other ${og(rest)}, no longer covered by the provider's bond`;

const BPS = 10_000n;

/** What the provider gets if nobody acknowledges. */
const shareOf = ({ fee, unacknowledgedBps }: StandingTask) =>
  (fee * BigInt(unacknowledgedBps)) / BPS;

const og = (neuron: bigint) => `${formatOg(neuron)} OG`;
