import { ProtocolError } from "../sdk/errors.ts";
import { formatTaskId } from "../sdk/ids.ts";
import { cancelTask } from "../sdk/task/cancelTask.ts";
import { findTask, type TaskFlags } from "./findTask.ts";
import { run } from "./run.ts";
import { type SendingFlags, submit } from "./submit.ts";

interface Flags extends TaskFlags, SendingFlags {}

/** Takes back a task that nobody has accepted yet. */
export default run<Flags>(async (flags, terminal, environment) => {
  const client = await environment.signer("user");
  const task = await findTask(client, flags);
  const id = formatTaskId(task.id);
  if (task.state !== "Created") {
    throw new ProtocolError(
      "declined",
      `Task ${id} is ${task.progress}: it can no longer be canceled.`,
      "Only a task that no provider has accepted can be.",
    );
  }
  const result = await submit(client, cancelTask(client, task), { id }, flags, terminal);
  if (result.dryRun) return result;
  terminal.say(`Canceled task ${id}. Its fee is free in the sub-account again.`);
  terminal.next(environment.command("retrieve-fund"));
  return { ...result, id };
});
