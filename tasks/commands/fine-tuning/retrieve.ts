import { formatOg } from "../../../sdk/units.ts";
import type { Command } from "../../definition.ts";
import { findModelName } from "../../flags/modelName.ts";
import { findOwnTask } from "../../flows/findTask.ts";
import { showTask } from "../../flows/showTask.ts";
import { recall } from "../../memory.ts";
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
  const [{ name }, dataset] = await Promise.all([
    findModelName(client, view.task),
    recall("names", view.order.datasetRoot),
  ]);
  const named = [
    ["Model", name],
    ["Dataset", dataset],
  ] as const;
  const document = showTask(view, terminal, describe(view, named));
  const next = nextInOneGo(view);
  if (next) terminal.next(environment.command(next));
  return { ...document, model: name, datasetName: dataset };
}) satisfies Command<Flags>;

/** Rows in addition to the table of get-task, for known values only. */
function describe(
  { task, order, status }: TaskView,
  named: readonly (readonly [string, string | null])[],
): [string, string][] {
  const rows: (readonly [string, string | number | null | undefined])[] = [
    ...named,
    ["Provider", task.provider],
    ["Units of Work", order.units.toString()],
    ["Fee (OG)", formatOg(task.fee)],
    ["Paid (OG)", formatOg(task.paid)],
    ["Deadline", task.deadline === 0 ? null : new Date(task.deadline * 1_000).toISOString()],
    ["Step", status?.step && `${status.step}${status.totalSteps ? `/${status.totalSteps}` : ""}`],
    ["Epoch", status?.epoch?.toFixed(2)],
    ["Loss", status?.loss?.toPrecision(4)],
    ["Loss Before", status?.lossBefore?.toPrecision(4)],
    ["Loss After", status?.lossAfter?.toPrecision(4)],
    ["Accuracy Before", status?.accuracyBefore?.toPrecision(4)],
    ["Accuracy After", status?.accuracyAfter?.toPrecision(4)],
    ["Encrypted Model Hash", task.root],
    ["Model Size (bytes)", task.size === 0 ? null : task.size],
  ];
  return rows.flatMap(([name, value]) =>
    value === null || value === undefined ? [] : [[name, String(value)] as [string, string]],
  );
}
