import { formatTaskId } from "../../sdk/ids.ts";
import type { Hyperparameters } from "../../sdk/training/Hyperparameters.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import type { TaskView } from "../terminal/taskView.ts";

/**
 * Shows a task in the table of 0G's documentation, and its meaning on stderr.
 * @param details additional rows
 * @returns the document that --json prints.
 */
export function showTask(
  { task, order, progress, standing, failure, status }: TaskView,
  terminal: Terminal,
  details: readonly (readonly [string, string])[] = [],
) {
  const id = formatTaskId(task.id);
  terminal.table({
    widths: [35, 85],
    rows: [
      ["Field", "Value"],
      ["ID", id],
      ["Created At", order.createdAt.toISOString()],
      ["Pre-trained Model Hash", order.modelHash],
      ["Dataset Hash", order.datasetRoot],
      ...(order.validationRoot ? [["Validation Dataset Hash", order.validationRoot]] : []),
      ["Training Params", showConfig(order.config)],
      ["Fee (neuron)", task.fee.toString()],
      ...(task.rebate > 0n ? [["Rebate (neuron)", `${task.rebate}, for work not done`]] : []),
      ["Progress", progress],
      ...(failure ? [["Reason", failure.message]] : []),
      ...details,
    ],
  });
  if (!failure && !terminal.json) terminal.note(standing.meaning);
  const { id: _, ...rest } = task;
  const { meaning, next } = standing;
  return { id, ...rest, progress, meaning, next, failure, order, status };
}

/** As JSON with spaces, so that a table can break it. */
function showConfig(config: Hyperparameters | null): string {
  if (config === null) return "not valid hyper-parameters";
  return JSON.stringify(config).replaceAll(/[,:](?=["\d[{tfn-])/g, "$& ");
}
