import { type Progress, progressOf } from "../../sdk/task/progressOf.ts";
import { type Failure, isRefused, type Job, type Work } from "../machine/machine.ts";

const BY_WORK: Record<Work, Progress> = {
  none: "SettingUp",
  verified: "SettingUp",
  fetched: "SettingUp",
  counted: "SetUp",
  trained: "Trained",
  packaged: "Trained",
  sealed: "Delivering",
  uploaded: "Delivering",
};

/** The progress of a job, as one of the protocol's ten values. `isTraining`: the trainer has begun its first step. */
export function jobProgress(job: Job, isTraining: boolean): Progress {
  if (failureOf(job)) return "Failed";
  if (job.chain === "Unread" || job.chain === "None") return "Init";
  if (job.chain !== "Accepted") return progressOf(job.chain);
  return job.work === "counted" && isTraining ? "Training" : BY_WORK[job.work];
}

/** Whether the trainer will write nothing further for this job. */
export function hasTrainingEnded(job: Job): boolean {
  return (
    failureOf(job) !== null ||
    !["Unread", "Created", "Accepted"].includes(job.chain) ||
    hasTrained(job.work)
  );
}

const hasTrained = (work: Work) => ["trained", "packaged", "sealed", "uploaded"].includes(work);

/** Why the task has failed, or is about to: `code` is the reason on chain, or the state in which it ended. */
export function failureOf(job: Job): { code: string; message: string; hint: string } | null {
  if (job.failure) return describe(job, job.failure);
  const end = ENDS[job.chain];
  return end ? { code: job.chain, ...end } : null;
}

function describe(job: Job, { reason, message, hint }: Failure) {
  return { code: reason, message, hint: isRefused(job) ? `${hint} ${CANCEL}` : hint };
}

/** The hint for an order that the provider will not accept. */
const CANCEL = "The order was not accepted: cancel-task releases its fee.";

const ENDS: Partial<Record<Job["chain"], { message: string; hint: string }>> = {
  Cancelled: {
    message: "The task was cancelled.",
    hint: "The fee was returned to the sub-account.",
  },
  Failed: {
    message: "The provider gave the task up.",
    hint: "The fee was returned to the sub-account: order again, or choose another provider.",
  },
  Expired: {
    message: "The provider missed a deadline.",
    hint: "Fee and compensation are in the account: order again, or choose another provider.",
  },
  Lapsed: {
    message: "The delivery was not acknowledged in time.",
    hint: "It can still be acknowledged late, with acknowledge-model.",
  },
  Slashed: {
    message: "The delivery was proven not to match its commitment.",
    hint: "Fee and compensation are in the account: choose another provider.",
  },
};
