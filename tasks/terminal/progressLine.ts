import type { TaskStatus } from "../../sdk/task/fetchTaskStatus.ts";
import { formatDuration } from "./formatDuration.ts";

const BARS = "▁▂▃▄▅▆▇█";
/** Number of losses in the line; older ones are dropped. */
const WIDTH = 20;

/** The losses of a run as a line of bars; the lowest loss is the lowest bar. */
export function sparkline(losses: readonly number[]): string {
  const shown = losses.filter(Number.isFinite).slice(-WIDTH);
  const lowest = Math.min(...shown);
  const range = Math.max(...shown) - lowest;
  return shown
    .map(
      (loss) => BARS[range === 0 ? 0 : Math.round(((loss - lowest) / range) * (BARS.length - 1))],
    )
    .join("");
}

/** One line about a task in progress, with the known values. */
export function progressLine(
  progress: string,
  status: TaskStatus | null,
  losses: readonly number[],
): string {
  if (!status) return progress;
  const {
    queuePosition,
    waitSeconds,
    epoch,
    step,
    totalSteps,
    loss,
    tokensPerSecond,
    secondsLeft,
  } = status;
  const parts = [
    progress,
    queuePosition === null ? null : `place ${queuePosition} in the queue`,
    waitSeconds ? `starts in about ${formatDuration(waitSeconds)}` : null,
    epoch === null ? null : `epoch ${epoch.toFixed(2)}`,
    step === null ? null : `step ${step}${totalSteps === null ? "" : `/${totalSteps}`}`,
    loss === null ? null : `loss ${loss.toFixed(4)} ${sparkline(losses)}`,
    tokensPerSecond === null ? null : `${Math.round(tokensPerSecond)} tokens/s`,
    secondsLeft === null ? null : `${formatDuration(secondsLeft)} left`,
  ];
  return parts.filter((part) => part !== null).join(" · ");
}
