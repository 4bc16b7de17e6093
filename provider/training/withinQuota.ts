import type { Clock } from "../clock.ts";
import { TaskRefused } from "../errors.ts";
import { diskUsage } from "./diskUsage.ts";
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
const LOOK_INTERVAL = 5_000;

/**
 * Runs a training, and has it killed as soon as all that was ever written for it takes more than its quota. The first
 * look is at once: a training that goes on after a restart has the files of the one before.
 * @throws TaskRefused "ConfigInvalid" when it is over its quota.
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
  if (!signal.aborted && (await isOver(quota))) throw tooMuch(quota);
  return end;
}

async function watch(quota: OutputQuota, over: AbortController, signal: AbortSignal) {
  while (!signal.aborted && !over.signal.aborted) {
    // A disk that does not answer is asked again; the look after the end must succeed.
    if (await isOver(quota).catch(() => false)) over.abort(tooMuch(quota));
    else await quota.clock.sleep(LOOK_INTERVAL, signal);
  }
}

async function isOver({ directory, inputs, maxBytes }: OutputQuota): Promise<boolean> {
  return (await diskUsage(directory, inputs, maxBytes)) > maxBytes;
}

function tooMuch({ maxBytes }: OutputQuota): TaskRefused {
  return new TaskRefused(
    "ConfigInvalid",
    `The training wrote more than the ${maxBytes} bytes of disk that this provider gives to a task.`,
    "Order again with fewer checkpoints (n_checkpoints) or with lora; the fee has gone back.",
  );
}
