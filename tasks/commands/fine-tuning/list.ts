import { listTasks } from "../../../sdk/task/listTasks.ts";
import type { Command } from "../../definition.ts";
import { listEntries, tableOfTasks } from "../../flows/listEntries.ts";

/** Shows the caller's tasks at all providers, oldest first. */
export default (async (_, terminal, environment) => {
  const client = await environment.signer("user");
  const tasks = await listTasks(client, { user: client.address });
  const entries = await listEntries(client, tasks);
  const newest = entries.at(-1);
  if (!newest) {
    terminal.say("You have no tasks yet.");
    const create = "fine-tuning create --training-file <PATH_TO_DATASET> --model <MODEL>";
    terminal.next(environment.command(create));
    return { tasks: entries };
  }
  terminal.table(tableOfTasks(entries, new Date()));
  if (entries.some(({ next }) => next === "claim")) {
    terminal.next(
      environment.command("retrieve-fund"),
      "to claim the money after missed deadlines",
    );
  }
  terminal.next(environment.command(`fine-tuning retrieve ${newest.id}`));
  return { tasks: entries };
}) satisfies Command<{ json: boolean }>;
