import type { Command } from "../../definition.ts";
import { findOwnTask } from "../../flows/findTask.ts";
import { showTask } from "../../flows/showTask.ts";
import { nextInOneGo } from "../../terminal/nextCommand.ts";
import { type TaskView, viewTask } from "../../terminal/taskView.ts";

interface Flags {
  readonly id: string;
  readonly json: boolean;
}

/** Shows everything that the chain and the provider report about a task. */
export default (async (flags, terminal, environment) => {
  const client = await environment.signer("user");
  const view = await viewTask(client, await findOwnTask(client, flags.id));
  const document = showTask(view, terminal, describe(view));
  const next = nextInOneGo(view);
  if (next) terminal.next(environment.command(next));
  return document;
}) satisfies Command<Flags>;

/** Rows in addition to the table of get-task, for known values only. */
function describe({ task, order, status }: TaskView): [string, string][] {
  const rows: [string, string | number | null | undefined][] = [
    ["Provider", task.provider],
    ["Units of Work", order.units.toString()],
    ["Paid (neuron)", task.paid.toString()],
    ["Deadline", task.deadline === 0 ? null : new Date(task.deadline * 1_000).toISOString()],
    ["Step", status?.step && `${status.step}${status.totalSteps ? `/${status.totalSteps}` : ""}`],
    ["Epoch", status?.epoch?.toFixed(2)],
    ["Loss", status?.loss],
    ["Loss Before", status?.lossBefore],
    ["Loss After", status?.lossAfter],
    ["Accuracy Before", status?.accuracyBefore],
    ["Accuracy After", status?.accuracyAfter],
    ["Encrypted Model Hash", task.root],
    ["Model Size (bytes)", task.size === 0 ? null : task.size],
  ];
  return rows.flatMap(([name, value]) =>
    value === null || value === undefined ? [] : [[name, String(value)]],
  );
}
