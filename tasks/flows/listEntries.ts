import type { Client } from "../../sdk/client.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import type { Task } from "../../sdk/task/Task.ts";
import { formatOg } from "../../sdk/units.ts";
import { recall } from "../memory.ts";
import { formatAge } from "../terminal/formatAge.ts";
import type { Table } from "../terminal/renderTable.ts";
import { viewProgress } from "../terminal/taskView.ts";
import { describeOrders, resultName } from "./describeOrders.ts";

/** Tasks at the end of a list whose order is read if it is not known yet. */
const MAX_READ = 4;

export type ListEntry = Awaited<ReturnType<typeof listEntries>>[number];

/** The entries of a list of tasks, oldest first. What is not known of an older task's order is null. */
export async function listEntries(client: Client, tasks: readonly Task[]) {
  const [orders, standings] = await Promise.all([
    describeOrders(client, tasks, MAX_READ),
    viewProgress(client, tasks),
  ]);
  return Promise.all(
    tasks.map(async ({ id, ...task }, index) => {
      const order = orders.get(tasks[index]!) ?? null;
      return {
        id: formatTaskId(id),
        createdAt: order?.createdAt ?? null,
        model: order?.model ?? null,
        suffix: order?.suffix ?? null,
        datasetRoot: order?.datasetRoot ?? null,
        datasetName: order && (await recall("names", order.datasetRoot)),
        ...task,
        ...standings[index]!,
      };
    }),
  );
}

/** A list of tasks as a table. */
export function tableOfTasks(entries: readonly ListEntry[], now: Date): Table {
  return {
    widths: [38, 14, 22, 22, 22, 18],
    rows: [
      ["ID", "Created", "Model", "Dataset", "Fee (OG)", "Progress"],
      ...entries.map((entry) => [
        entry.id,
        entry.createdAt ? formatAge(entry.createdAt, now) : `block ${entry.createdBlock}`,
        resultName(entry) || "–",
        entry.datasetName ?? entry.datasetRoot?.replace(/(?<=^.{6}).*(?=.{4}$)/, "…") ?? "–",
        formatOg(entry.fee),
        entry.progress,
      ]),
    ],
  };
}
