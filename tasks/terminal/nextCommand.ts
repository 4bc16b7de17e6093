import { formatTaskId } from "../../sdk/ids.ts";
import type { NextStep } from "../../sdk/task/standing.ts";
import type { TaskView } from "./taskView.ts";

/** The part of a view that the next step depends on. */
type Standing = Pick<TaskView, "task" | "standing">;

/** The commands for each step, in the two families of commands. */
const STEP_BY_STEP: Record<NonNullable<NextStep>, (flags: string) => string> = {
  wait: (flags) => `get-task ${flags} --wait`,
  acknowledge: (flags) => `acknowledge-model ${flags} --data-path <PATH_TO_SAVE_MODEL>`,
  "wait-for-key": (flags) => `get-task ${flags} --wait`,
  decrypt: (flags) =>
    `decrypt-model ${flags} --encrypted-model <PATH_TO_ENCRYPTED_MODEL> --output <MODEL>.zip`,
  claim: (flags) => `cancel-task ${flags}`,
  "read-log": (flags) => `get-log ${flags}`,
};

const IN_ONE_GO: Record<NonNullable<NextStep>, (id: string) => string> = {
  wait: (id) => `fine-tuning follow ${id}`,
  acknowledge: (id) => `fine-tuning download ${id}`,
  "wait-for-key": (id) => `fine-tuning download ${id}`,
  decrypt: (id) => `fine-tuning download ${id}`,
  claim: (id) => `fine-tuning cancel ${id}`,
  "read-log": (id) => `fine-tuning list-events ${id}`,
};

/** The command of the step-by-step family that comes next; null if there is nothing to do. */
export function nextStepByStep({ task, standing: { next } }: Standing): string | null {
  const flags = `--provider ${task.provider} --task ${formatTaskId(task.id)}`;
  return next && STEP_BY_STEP[next](flags);
}

/** The command of the fine-tuning family that comes next; null if there is nothing to do. */
export function nextInOneGo({ task, standing: { next } }: Standing): string | null {
  return next && IN_ONE_GO[next](formatTaskId(task.id));
}
