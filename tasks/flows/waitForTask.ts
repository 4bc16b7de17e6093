import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../../sdk/client.ts";
import { didYouMean } from "../../sdk/didYouMean.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { getService } from "../../sdk/service/getService.ts";
import { PROGRESS, type Progress } from "../../sdk/task/progressOf.ts";
import { streamEvents, type TrainerEvent } from "../../sdk/task/streamTask.ts";
import type { Task } from "../../sdk/task/Task.ts";
import { tolerantReader } from "../../sdk/task/tolerantReader.ts";
import { LossCurve } from "../terminal/LossCurve.ts";
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
 * Follows a task until it has reached a state or failed: at a terminal with live lines and the curve of its losses, in
 * a pipe with a line for each state.
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
  const read = tolerantReader(
    (seen: TaskView) => refreshView(client, seen),
    ({ message }) => terminal.live(`${message} Trying again…`),
  );
  const watched = new Watched(client, first.task, terminal);
  let view = first;
  try {
    while (PROGRESS.indexOf(view.progress) < goal) {
      watched.show(view);
      if (timeout !== undefined && performance.now() - start > timeout) throw timedOutError(view);
      signal.throwIfAborted();
      await sleep(POLL_INTERVAL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
      view = (await read(view)) ?? view;
    }
    watched.finish(view);
  } finally {
    watched.end();
  }
  return view;
}

/** The next state in which the user has something to do: first the model, then its key. */
function usersTurn(progress: Progress): Progress {
  return PROGRESS.indexOf(progress) > PROGRESS.indexOf("Delivered") ? "Finished" : "Delivered";
}

/** Shows a task in progress. */
class Watched {
  readonly #client: Client;
  readonly #task: Task;
  readonly #terminal: Terminal;
  readonly #curve = new LossCurve();
  readonly #ended = new AbortController();
  #isReading = false;
  #progress: Progress | null = null;
  #since = 0;

  constructor(client: Client, task: Task, terminal: Terminal) {
    this.#client = client;
    this.#task = task;
    this.#terminal = terminal;
  }

  show({ progress, status }: TaskView): void {
    const isNew = progress !== this.#progress;
    if (isNew) this.#since = performance.now();
    this.#progress = progress;
    const elapsed = (performance.now() - this.#since) / 1_000;
    const moment = { progress, status, elapsed };
    if (process.stderr.isTTY !== true) {
      if (isNew) this.#terminal.note(progressLine({ ...moment, elapsed: null }));
      return;
    }
    if (progress === "Training") void this.#readEvents();
    this.#terminal.live((canvas) => {
      const curve = progress === "Training" ? this.#curve.draw(canvas) : [];
      return [...curve, progressLine(moment, canvas.columns && canvas.columns - 1)];
    });
  }

  /** Leaves the curve, if it was shown, above the state that the task has reached. */
  finish({ progress }: TaskView): void {
    if (this.#progress === null) return;
    this.#terminal.live((canvas) => [...this.#curve.draw(canvas), progress]);
  }

  end(): void {
    this.#ended.abort();
    this.#terminal.endLive();
  }

  /** All events of the training run, so that the curve is whole whenever it is looked at; without them there is none. */
  async #readEvents(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    const { signal } = this.#ended;
    try {
      const service = await getService(this.#client, this.#task);
      const { id } = this.#task;
      for await (const event of streamEvents(this.#client, { service, id, follow: true, signal }))
        addEvent(this.#curve, event);
    } catch {
      // The line above still shows what the provider reports.
    }
  }
}

function addEvent(curve: LossCurve, { type, step, loss, total }: TrainerEvent): void {
  if (type === "started" && typeof total === "number") curve.totalSteps = total;
  if (typeof step !== "number" || typeof loss !== "number") return;
  if (type === "progress") curve.addTraining({ step, loss });
  if (type === "eval") curve.addEvaluation({ step, loss });
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
