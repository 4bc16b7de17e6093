import { statfs } from "node:fs/promises";
import type { Clock } from "../clock.ts";
import { ProviderError, TaskRefusedError } from "../errors.ts";
import { diskUsage } from "../files/diskUsage.ts";
import { deletedUsage } from "./deletedFiles.ts";
import type { TrainingEnd } from "./Trainer.ts";

/** What a training may write. */
export interface OutputQuota {
  /** The job directory, which may be there from an earlier run. */
  readonly directory: string;
  /** Names in it that the training can only read: they do not count. */
  readonly inputs: readonly string[];
  readonly maxBytes: number;
  readonly clock: Clock;
}

/** Milliseconds between two looks: what is written meanwhile can exceed the quota. */
const POLL_INTERVAL = 5_000;
/** Bytes of the disk that trainings leave to everything else, however they hide what they write. */
const FREE_DISK_BYTES = 2 ** 30;

/**
 * Runs a training, and has it killed as soon as all that was ever written for it takes more than its quota. The first
 * look is at once: a training that goes on after a restart has the files of the one before.
 * @throws TaskRefusedError "ConfigInvalid" when it is over its quota, ProviderError when it was stopped for a disk that is
 * nearly full.
 */
export async function withinQuota(
  quota: OutputQuota,
  train: (signal: AbortSignal) => Promise<TrainingEnd>,
  signal: AbortSignal,
): Promise<TrainingEnd> {
  const over = new AbortController();
  const ended = new AbortController();
  const watching = watch(quota, over, ended.signal);
  const end = await train(AbortSignal.any([signal, over.signal])).finally(() => {
    ended.abort();
    return watching;
  });
  over.signal.throwIfAborted();
  if (!signal.aborted && (await usage(quota)) > quota.maxBytes) throw quotaExceededError(quota);
  return end;
}

async function watch(quota: OutputQuota, over: AbortController, signal: AbortSignal) {
  while (!signal.aborted && !over.signal.aborted) {
    // A disk that does not answer is asked again; the look after the end must succeed.
    const reason = await findReason(quota).catch(() => null);
    if (reason) over.abort(reason);
    else await quota.clock.sleep(POLL_INTERVAL, signal);
  }
}

/** Why the training must stop, null where it need not. */
async function findReason(quota: OutputQuota): Promise<ProviderError | null> {
  const { directory, maxBytes } = quota;
  if ((await usage(quota)) + deletedUsage(directory) > maxBytes) return quotaExceededError(quota);
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize < FREE_DISK_BYTES ? diskFullError() : null;
}

function usage({ directory, inputs, maxBytes }: OutputQuota): Promise<number> {
  return diskUsage(directory, inputs, maxBytes);
}

function diskFullError(): ProviderError {
  return new ProviderError("The disk is nearly full: the training was stopped.", {
    retryable: true,
    hint: "Free space; it goes on from its checkpoint.",
  });
}

function quotaExceededError({ maxBytes }: OutputQuota): TaskRefusedError {
  return new TaskRefusedError(
    "ConfigInvalid",
    `The training wrote more than the ${maxBytes} bytes of disk that this provider gives to a task.`,
    "Order again with fewer checkpoints (n_checkpoints) or with lora; the fee has gone back.",
  );
}
