import { readStanding } from "../../../sdk/task/readStanding.ts";
import type { Command } from "../../definition.ts";
import { cancel } from "../../flows/cancel.ts";
import { findTask, type TaskFlags } from "../../flows/findTask.ts";
import type { SendingFlags } from "../../flows/submit.ts";

interface Flags extends TaskFlags, SendingFlags {}

/** Cancels a task that its provider has not accepted yet, or claims the money after a missed deadline. */
export default (async (flags, terminal, environment) => {
  const client = await environment.signer("user");
  const task = await findTask(client, flags);
  const standing = await readStanding(client, task);
  return cancel(client, task, standing, flags, terminal, environment);
}) satisfies Command<Flags>;
