import { formatTaskId } from "../../../sdk/ids.ts";
import type { Command } from "../../definition.ts";
import { findOwnTask } from "../../flows/findTask.ts";
import { failureError, viewTask } from "../../terminal/taskView.ts";

interface Flags {
  readonly id: string;
  readonly json: boolean;
}

/** Prints the status of a task in one word; for a failed task, the exit code says who is responsible. */
export default (async (flags, terminal, environment) => {
  const client = await environment.signer("user");
  const view = await viewTask(client, await findOwnTask(client, flags.id));
  const id = formatTaskId(view.task.id);
  const { progress, failure } = view;
  if (!terminal.json) terminal.say(progress);
  if (progress === "Failed") {
    const { exitCode, message, hint } = failureError(view, environment);
    process.exitCode = exitCode;
    if (!terminal.json) {
      terminal.note(message);
      terminal.hint(hint);
    }
  }
  const { meaning, next } = view.standing;
  return { id, progress, meaning, next, failure };
}) satisfies Command<Flags>;
