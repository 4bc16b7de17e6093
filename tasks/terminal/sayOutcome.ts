import type { TaskStatus } from "../../sdk/task/fetchTaskStatus.ts";
import type { Task } from "../../sdk/task/Task.ts";
import { formatOg } from "../../sdk/units.ts";
import type { Terminal } from "./Terminal.ts";

/** Share of its loss that a model has to lose for its training to have changed more than little. */
const LITTLE = 0.01;

/**
 * Says whether a training run helped, and what it cost.
 * @param status null if the provider does not tell
 */
export function sayOutcome(
  terminal: Terminal,
  task: Pick<Task, "fee" | "rebate">,
  status: TaskStatus | null,
): void {
  for (const line of status ? helpOf(status) : []) terminal.say(line);
  const { fee, rebate } = task;
  const saved =
    rebate > 0n ? `, ${formatOg(rebate)} OG less than ordered, for work that was not done` : "";
  terminal.say(`Cost: ${formatOg(fee - rebate)} OG${saved}.`);
}

function helpOf({
  lossBefore,
  lossAfter,
  accuracyBefore,
  accuracyAfter,
}: Pick<TaskStatus, "lossBefore" | "lossAfter" | "accuracyBefore" | "accuracyAfter">): string[] {
  if (lossBefore === null || lossAfter === null) return [];
  const lines = [`Loss: ${lossBefore.toPrecision(4)} before, ${lossAfter.toPrecision(4)} after.`];
  if (accuracyBefore !== null && accuracyAfter !== null) {
    lines.push(`Accuracy: ${percent(accuracyBefore)} before, ${percent(accuracyAfter)} after.`);
  }
  if (lossAfter > lossBefore) {
    lines.push("The loss has risen. A lower learning rate or fewer epochs may help.");
  } else if (lossBefore - lossAfter < LITTLE * lossBefore) {
    lines.push("The training run changed little. A higher learning rate or more epochs may help.");
  }
  return lines;
}

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
