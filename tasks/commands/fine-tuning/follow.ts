import { ProtocolError } from "../../../sdk/errors.ts";
import { formatTaskId } from "../../../sdk/ids.ts";
import type { Command } from "../../definition.ts";
import { readTimeout } from "../../flags/readFlags.ts";
import { findOwnTask } from "../../flows/findTask.ts";
import { waitForTask } from "../../flows/waitForTask.ts";
import { nextInOneGo } from "../../terminal/nextCommand.ts";
import { sayOutcome } from "../../terminal/sayOutcome.ts";
import { failureError, viewTask } from "../../terminal/taskView.ts";
import { untilInterrupted } from "../../terminal/untilInterrupted.ts";

interface Flags {
  readonly id: string;
  readonly timeout: string | undefined;
  readonly json: boolean;
}

/** Follows a task until its user has something to do, and shows its losses as a curve meanwhile. */
export default (async (flags, terminal, environment) => {
  const timeout = readTimeout(flags.timeout);
  const client = await environment.signer("user");
  const first = await viewTask(client, await findOwnTask(client, flags.id));
  const id = formatTaskId(first.task.id);
  const stopped = new ProtocolError(
    "declined",
    `Stopped following; task ${id} continues without you.`,
    `Follow again: ${environment.command(`fine-tuning follow ${id}`)}`,
  );
  const view = await untilInterrupted(stopped, (signal) =>
    waitForTask(client, first, { until: undefined, timeout, signal }, terminal),
  );
  const { progress, standing, status, task } = view;
  if (progress === "Failed") throw failureError(view, environment);
  terminal.say(`Task ${id} is ${progress}.`);
  terminal.paragraph(standing.meaning);
  sayOutcome(terminal, task, status);
  const next = nextInOneGo(view);
  if (next) terminal.next(environment.command(next));
  const { meaning, next: step } = standing;
  return { id, progress, meaning, next: step, fee: task.fee, rebate: task.rebate, status };
}) satisfies Command<Flags>;
