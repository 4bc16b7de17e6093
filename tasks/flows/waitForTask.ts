import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../../sdk/client.ts";
import { didYouMean } from "../../sdk/didYouMean.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { PROGRESS, type Progress } from "../../sdk/task/progressOf.ts";
import { progressLine } from "../terminal/progressLine.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { refreshView, type TaskView } from "../terminal/taskView.ts";

/** Milliseconds between two polls. */
const POLL_INTERVAL_MS = 1_000;

export interface WaitOptions {
  /** Default: until the user has something to do, or the task has ended. */
  readonly until: Progress | undefined;
  /** Milliseconds; undefined for no limit. */
  readonly timeout: number | undefined;
  readonly signal: AbortSignal;
}

/**
 * Follows a task with a live line until it has reached a state or failed.
 * @throws ProtocolError "timed-out" if that takes too long.
 */
export async function waitForTask(
  client: Client,
  first: TaskView,
  { until, timeout, signal }: WaitOptions,
  terminal: Terminal,
): Promise<TaskView> {
  const goal = PROGRESS.indexOf(until ?? usersTurn(first.progress));
  const start = performance.now();
  const losses: number[] = [];
  const read = createTolerantReader(client, terminal);
  let view = first;
  let shown = "";
  while (PROGRESS.indexOf(view.progress) < goal) {
    const loss = view.status?.loss ?? null;
    if (loss !== null) losses.push(loss);
    const line = progressLine(view.progress, view.status, losses);
    terminal.live(line);
    if (process.stderr.isTTY !== true && view.progress !== shown) terminal.note(line);
    shown = view.progress;
    if (timeout !== undefined && performance.now() - start > timeout) throw timedOutError(view);
    signal.throwIfAborted();
    await sleep(POLL_INTERVAL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    view = await read(view);
  }
  terminal.endLive();
  return view;
}

/** The next state in which the user has something to do: first the model, then its key. */
function usersTurn(progress: Progress): Progress {
  return PROGRESS.indexOf(progress) > PROGRESS.indexOf("Delivered") ? "Finished" : "Delivered";
}

/** Maximum number of failed reads in a row, whatever the error. */
const MAX_FAILURES = 10;

/** Refreshes the view, but tolerates network errors and a few other failures. */
function createTolerantReader(client: Client, terminal: Terminal) {
  let failures = 0;
  return async (view: TaskView): Promise<TaskView> => {
    try {
      const seen = await refreshView(client, view);
      failures = 0;
      return seen;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (error.code !== "network" && ++failures > MAX_FAILURES) throw error;
      terminal.live(`${error.message} Trying again…`);
      return view;
    }
  };
}

/** Parses the state to wait for, in any letter case. */
export function readProgress(text: string): Progress {
  const found = PROGRESS.find((progress) => progress.toLowerCase() === text.toLowerCase());
  if (found) return found;
  const closest = didYouMean(text, PROGRESS);
  throw new ProtocolError(
    "usage",
    `"${text}" is not a state of a task.`,
    closest ? `Did you mean "${closest}"?` : `Use one of: ${PROGRESS.join(", ")}.`,
  );
}

function timedOutError({ progress }: TaskView): ProtocolError {
  return new ProtocolError(
    "timed-out",
    `The task is still ${progress}.`,
    "It continues. Run the same command again to continue waiting.",
  );
}
