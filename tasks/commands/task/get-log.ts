import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../../../sdk/client.ts";
import { ProtocolError } from "../../../sdk/errors.ts";
import { formatTaskId } from "../../../sdk/ids.ts";
import { getService } from "../../../sdk/service/getService.ts";
import { getTask } from "../../../sdk/task/getTask.ts";
import { PROGRESS } from "../../../sdk/task/progressOf.ts";
import { streamLog } from "../../../sdk/task/streamTask.ts";
import type { Task } from "../../../sdk/task/Task.ts";
import type { Command } from "../../definition.ts";
import { findTask, type TaskFlags } from "../../flows/findTask.ts";
import type { Terminal } from "../../terminal/Terminal.ts";
import { viewTask } from "../../terminal/taskView.ts";
import { untilInterrupted } from "../../terminal/untilInterrupted.ts";

interface Flags extends TaskFlags {
  readonly follow: boolean;
  readonly json: boolean;
}

/** Milliseconds before reconnecting. */
const RECONNECT_DELAY_MS = 1_000;

/** Prints the log of a task from its provider. */
export default (async (flags, terminal, environment) => {
  const client = await environment.signer("user");
  const task = await findTask(client, flags);
  const uuid = formatTaskId(task.id);
  const flagsOfTask = `--provider ${task.provider} --task ${uuid}`;
  if (!flags.follow) {
    const lines = await readWhole(client, task);
    for (const line of terminal.json ? [] : lines) terminal.say(line);
    return { id: uuid, lines };
  }
  const stopped = new ProtocolError(
    "declined",
    `Stopped following; task ${uuid} continues without you.`,
    `Follow again: ${environment.command(`get-log ${flagsOfTask} --follow`)}`,
  );
  await untilInterrupted(stopped, (signal) => follow(client, task, signal, terminal));
  terminal.next(environment.command(`get-task ${flagsOfTask}`));
}) satisfies Command<Flags>;

async function readWhole(client: Client, { id, provider }: Task): Promise<string[]> {
  const service = await getService(client, { provider });
  const lines: string[] = [];
  for await (const line of streamLog(client, { service, id, follow: false })) lines.push(line);
  return lines;
}

/**
 * Follows until the training has ended. The end of a stream does not mean that; the task's state does. Every stream
 * starts again with the first line, and lines that were already printed are skipped.
 */
async function follow(
  client: Client,
  task: Task,
  signal: AbortSignal,
  terminal: Terminal,
): Promise<void> {
  const { id, provider } = task;
  const service = await getService(client, { provider });
  for (let printed = 0; ; ) {
    const hasEnded = await hasTrainingEnded(client, task, signal);
    try {
      let seen = 0;
      for await (const line of streamLog(client, { service, id, follow: true, signal })) {
        if (seen++ < printed) continue;
        printed = seen;
        if (terminal.json) terminal.document({ line });
        else terminal.say(line);
      }
      if (hasEnded) return;
    } catch (error) {
      signal.throwIfAborted();
      if (hasEnded || !isTransient(error)) throw error;
      terminal.live(`${error.message} Trying again…`);
    }
    await sleep(RECONNECT_DELAY_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

async function hasTrainingEnded(client: Client, task: Task, signal: AbortSignal): Promise<boolean> {
  try {
    const { progress } = await viewTask(client, await getTask(client, task));
    return PROGRESS.indexOf(progress) >= PROGRESS.indexOf("Trained");
  } catch (error) {
    signal.throwIfAborted();
    if (isTransient(error)) return false;
    throw error;
  }
}

/** The provider is temporarily unreachable, or does not know the task yet. */
const isTransient = (error: unknown): error is ProtocolError =>
  error instanceof ProtocolError && ["network", "too-early", "not-found"].includes(error.code);
