import { ProtocolError } from "../../../sdk/errors.ts";
import { formatTaskId } from "../../../sdk/ids.ts";
import type { Command } from "../../definition.ts";
import type { Environment } from "../../Environment.ts";
import { readTimeout } from "../../flags/readFlags.ts";
import { findTask, type TaskFlags } from "../../flows/findTask.ts";
import { showTask } from "../../flows/showTask.ts";
import { readProgress, waitForTask } from "../../flows/waitForTask.ts";
import { nextStepByStep } from "../../terminal/nextCommand.ts";
import type { Terminal } from "../../terminal/Terminal.ts";
import { failureError, type TaskView, viewTask } from "../../terminal/taskView.ts";
import { untilInterrupted } from "../../terminal/untilInterrupted.ts";

interface Flags extends TaskFlags {
  readonly wait: boolean;
  readonly state: string;
  readonly timeout: string | undefined;
  readonly json: boolean;
}

/** Shows the state of a task; with --wait, follows it until the user has something to do. */
export default (async (flags, terminal, environment) => {
  const wait = readWait(flags);
  const client = await environment.signer("user");
  const first = await viewTask(client, await findTask(client, flags));
  if (!wait) return show(first, terminal, environment);

  const uuid = formatTaskId(first.task.id);
  const stopped = new ProtocolError(
    "declined",
    `Stopped waiting. Task ${uuid} continues without you.`,
    `To continue waiting, run the same command again: ${environment.command(`get-task --task ${uuid} --wait`)}`,
  );
  const last = await untilInterrupted(stopped, (signal) =>
    waitForTask(client, first, { ...wait, signal }, terminal),
  );
  const document = show(last, terminal, environment);
  if (last.progress !== "Failed" || wait.until === "Failed") return document;
  throw failureError(last, environment);
}) satisfies Command<Flags>;

function readWait({ wait, state, timeout }: Flags) {
  if (!wait) {
    if (state === "" && timeout === undefined) return null;
    throw new ProtocolError(
      "usage",
      "A state or --timeout is given without --wait.",
      "Add --wait to follow the task.",
    );
  }
  return {
    until: state === "" ? undefined : readProgress(state),
    timeout: readTimeout(timeout),
  };
}

function show(view: TaskView, terminal: Terminal, environment: Environment) {
  const document = showTask(view, terminal);
  const next = nextStepByStep(view);
  if (next) terminal.next(environment.command(next));
  return document;
}
