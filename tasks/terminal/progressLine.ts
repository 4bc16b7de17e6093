import type { TaskStatus } from "../../sdk/task/fetchTaskStatus.ts";
import { displayWidth } from "./displayWidth.ts";
import { formatDuration } from "./formatDuration.ts";

/** What is known of a task in progress. */
export interface Moment {
  readonly progress: string;
  /** Null if the provider did not answer. */
  readonly status: TaskStatus | null;
  /** Seconds for which the task has been seen in this state; null to leave them out. */
  readonly elapsed: number | null;
}

const SEPARATOR = " · ";

/**
 * One line about a task in progress with the known values, the most important ones first; those that do not fit into
 * `columns` are left out.
 */
export function progressLine(
  { progress, status, elapsed }: Moment,
  columns = Number.POSITIVE_INFINITY,
): string {
  const isTraining = progress === "Training" && status !== null && status.step !== null;
  const details = isTraining ? trainingOf(status) : [clockOf(elapsed), ...queueOf(status)];
  const parts = [progress, ...details].filter((part) => part !== null);
  let line = parts[0]!;
  for (const part of parts.slice(1)) {
    const longer = `${line}${SEPARATOR}${part}`;
    if (displayWidth(longer) <= columns) line = longer;
  }
  return line;
}

const clockOf = (elapsed: number | null) => (elapsed === null ? null : formatDuration(elapsed));

function queueOf(status: TaskStatus | null): (string | null)[] {
  if (!status || status.queuePosition === null) return [];
  const { queuePosition: ahead, waitSeconds } = status;
  return [
    ahead === 0 ? "next in the queue" : `${ahead} ahead in the queue`,
    waitSeconds ? `starts within ${formatDuration(waitSeconds)}` : null,
  ];
}

function trainingOf(status: TaskStatus): (string | null)[] {
  const { epoch, step, totalSteps, loss, tokensPerSecond, secondsLeft } = status;
  return [
    secondsLeft === null ? null : `${formatDuration(secondsLeft)} left`,
    step === null ? null : `step ${step}${totalSteps === null ? "" : `/${totalSteps}`}`,
    loss === null ? null : `loss ${loss.toPrecision(4)}`,
    epoch === null ? null : `epoch ${epoch.toFixed(2)}`,
    tokensPerSecond === null ? null : `${Math.round(tokensPerSecond)} tokens/s`,
  ];
}
