import { formatTaskId } from "../../../sdk/ids.ts";
import { getTaskOrder } from "../../../sdk/task/getTaskOrder.ts";
import { listTasks } from "../../../sdk/task/listTasks.ts";
import type { Command } from "../../definition.ts";
import { readAddress } from "../../flags/readAddress.ts";
import { viewProgress } from "../../terminal/taskView.ts";

interface Flags {
  readonly provider: string | undefined;
  readonly json: boolean;
}

/** Shows the caller's tasks at one provider, oldest first. */
export default (async (flags, terminal, environment) => {
  const provider = readAddress(flags.provider);
  const client = await environment.signer("user");
  const tasks = await listTasks(client, { user: client.address, provider });
  const [orders, standings] = await Promise.all([
    Promise.all(tasks.map((task) => getTaskOrder(client, task))),
    viewProgress(client, tasks),
  ]);
  const entries = tasks.map(({ id, ...task }, index) => ({
    id: formatTaskId(id),
    createdAt: orders[index]!.createdAt,
    ...task,
    ...standings[index]!,
  }));
  terminal.table({
    widths: [40, 28, 30, 20],
    rows: [
      ["ID", "Created At", "Fee (neuron)", "Progress"],
      ...entries.map(({ id, createdAt, fee, progress }) => [
        id,
        createdAt.toISOString(),
        fee.toString(),
        progress,
      ]),
    ],
  });
  const newest = entries.at(-1);
  if (newest) {
    if (entries.some(({ next }) => next === "claim")) {
      terminal.next(
        environment.command("retrieve-fund"),
        "to claim the money after missed deadlines",
      );
    }
    terminal.next(environment.command(`get-task --provider ${provider} --task ${newest.id}`));
  } else terminal.say(`You have no tasks at provider ${provider}.`);
  return { tasks: entries };
}) satisfies Command<Flags>;
