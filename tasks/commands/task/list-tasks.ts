import { parseAddress } from "../../../sdk/parseAddress.ts";
import { listTasks } from "../../../sdk/task/listTasks.ts";
import type { Command } from "../../definition.ts";
import { listEntries, tableOfTasks } from "../../flows/listEntries.ts";

interface Flags {
  readonly provider: string;
  readonly json: boolean;
}

/** Shows the caller's tasks at one provider, oldest first. */
export default (async (flags, terminal, environment) => {
  const provider = parseAddress(flags.provider);
  const client = await environment.signer("user");
  const tasks = await listTasks(client, { user: client.address, provider });
  const entries = await listEntries(client, tasks);
  const newest = entries.at(-1);
  if (newest) {
    terminal.table(tableOfTasks(entries, new Date()));
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
