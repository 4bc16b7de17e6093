import { statfs } from "node:fs/promises";
import type { Clock } from "../clock.ts";
import { ProviderError, TaskRefusedError } from "../errors.ts";
import { diskUsage } from "../files/diskUsage.ts";
import { deletedUsage } from "./deletedFiles.ts";
import type { TrainingEnd } from "./Trainer.ts";

/** The disk quota of a training run. */
export interface OutputQuota {
  /** The job directory, which may exist from an earlier run. */
  readonly directory: string;
  /** Names in it that are read-only for the training run, and do not count. */
  readonly inputs: readonly string[];
  readonly maxBytes: number;
  readonly clock: Clock;
}

/** Milliseconds between checks; meanwhile the quota can be exceeded. */
const POLL_INTERVAL = 5_000;
/** Bytes of the disk that must stay free, even if a training run hides what it writes. */
const FREE_DISK_BYTES = 2 ** 30;

/**
 * Runs a training, and kills it as soon as its files, including those of earlier attempts, exceed the quota. The first
 * check is immediate, since a training run that resumes already has files.
 * @throws TaskRefusedError "ConfigInvalid" if it exceeds its quota, ProviderError if it was stopped because the disk is
 * nearly full.
 */
export async function withinQuota(
  quota: OutputQuota,
  train: (signal: AbortSignal) => Promise<TrainingEnd>,
  signal: AbortSignal,
): Promise<TrainingEnd> {
  const exceeded = new AbortController();
  const ended = new AbortController();
  const watching = watch(quota, exceeded, ended.signal);
  const end = await train(AbortSignal.any([signal, exceeded.signal])).finally(() => {
    ended.abort();
    return watching;
  });
  exceeded.signal.throwIfAborted();
  if (!signal.aborted && (await usage(quota)) > quota.maxBytes) throw quotaExceededError(quota);
  return end;
}

async function watch(quota: OutputQuota, exceeded: AbortController, signal: AbortSignal) {
  while (!signal.aborted && !exceeded.signal.aborted) {
    // A failed check is repeated; only the check after the end must succeed.
    const reason = await findReason(quota).catch(() => null);
    if (reason) exceeded.abort(reason);
    else await quota.clock.sleep(POLL_INTERVAL, signal);
  }
}

/** Why the training run must stop; null if it need not. */
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
    hint: "Free space; it will continue from its checkpoint.",
  });
}

function quotaExceededError({ maxBytes }: OutputQuota): TaskRefusedError {
  return new TaskRefusedError(
    "ConfigInvalid",
    `The training wrote more than the ${maxBytes} bytes of disk that this provider allows per task.`,
    "Order again with fewer checkpoints (n_checkpoints) or with lora; the fee was returned.",
  );
}
