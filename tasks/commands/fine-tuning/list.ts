import { formatTaskId } from "../../../sdk/ids.ts";
import { getTaskOrder } from "../../../sdk/task/getTaskOrder.ts";
import type { Command } from "../../definition.ts";
import { listOwnTasks } from "../../flows/ownTasks.ts";
import { viewProgress } from "../../terminal/taskView.ts";

/** Shows the caller's tasks at all providers, oldest first. */
export default (async (_, terminal, environment) => {
  const client = await environment.signer("user");
  const tasks = await listOwnTasks(client);
  const standings = await viewProgress(client, tasks);
  const placed = await Promise.all(
    tasks.map(async ({ id, ...task }, index) => {
      const { createdAt, blockNumber } = await getTaskOrder(client, { id });
      return { id: formatTaskId(id), createdAt, blockNumber, ...task, ...standings[index]! };
    }),
  );
  const entries = placed.sort((a, b) => a.blockNumber - b.blockNumber);
  const newest = entries.at(-1);
  if (!newest) {
    terminal.say("You have no tasks yet.");
    const create = "fine-tuning create --training-file <PATH_TO_DATASET> --model <MODEL>";
    terminal.next(environment.command(create));
    return { tasks: entries };
  }
  terminal.table({
    widths: [40, 28, 46, 30, 20],
    rows: [
      ["ID", "Created At", "Provider", "Fee (neuron)", "Progress"],
      ...entries.map(({ id, createdAt, provider, fee, progress }) => [
        id,
        createdAt.toISOString(),
        provider,
        fee.toString(),
        progress,
      ]),
    ],
  });
  if (entries.some(({ next }) => next === "claim")) {
    terminal.next(
      environment.command("retrieve-fund"),
      "to claim the money after missed deadlines",
    );
  }
  terminal.next(environment.command(`fine-tuning retrieve ${newest.id}`));
  return { tasks: entries };
}) satisfies Command<{ json: boolean }>;
