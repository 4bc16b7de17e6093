import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { formatTaskId, type TaskId } from "../ids.ts";
import { sleep } from "../platform/index.ts";
import { getService } from "../service/getService.ts";
import { fetchTaskStatus } from "./fetchTaskStatus.ts";
import { getTask } from "./getTask.ts";
import { readFailure, type TaskFailure } from "./readFailure.ts";
import { readStanding } from "./readStanding.ts";
import type { NextStep, Standing } from "./standing.ts";
import type { Task } from "./Task.ts";
import { tolerantReader } from "./tolerantReader.ts";

/** The steps of a user whose task succeeds, in order. */
const STEPS: readonly NextStep[] = ["wait", "acknowledge", "wait-for-key", "decrypt"];

export interface WaitForStepParameters {
  readonly id: TaskId;
  /** "acknowledge" for the delivery of the model, "decrypt" for its key. */
  readonly step: "acknowledge" | "wait-for-key" | "decrypt";
  /** Milliseconds; default: no limit, as the chain has deadlines. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Milliseconds between two polls. */
const POLL_INTERVAL_MS = 1_000;

/**
 * Waits until the user's next step with a task is this one or a later one. Network errors are tolerated.
 * @returns the task as it is then.
 * @throws ProtocolError "task-failed-by-provider", "task-failed-by-input" or "declined" if there will be no model, with
 * the reason; "not-found" if the chain does not show the task for 10 seconds, "timed-out" after the timeout; the
 * signal's reason if aborted.
 * @example
 * const delivered = await waitForStep(client, { id, step: "acknowledge", timeout: 3_600_000 });
 * console.log(`${delivered.size} bytes`);
 */
export async function waitForStep(
  client: Client,
  { id, step, timeout = Number.POSITIVE_INFINITY, signal }: WaitForStepParameters,
): Promise<Task> {
  const end = performance.now() + timeout;
  const read = tolerantReader(() => look(client, id, signal));
  for (;;) {
    const seen = await read(null);
    signal?.throwIfAborted();
    if (seen?.failure) throw failedError(seen, seen.failure);
    if (seen && STEPS.indexOf(seen.standing.next) >= STEPS.indexOf(step)) return seen.task;
    if (performance.now() >= end) throw timedOutError(id, seen?.standing ?? null);
    await sleep(Math.min(POLL_INTERVAL_MS, Math.max(0, end - performance.now())), signal);
  }
}

/** A task as its user sees it. */
interface Seen {
  readonly task: Task;
  readonly standing: Standing;
  readonly failure: TaskFailure | null;
}

/** The provider is asked whether it refuses an order, which is not on chain, and why it failed a task. */
async function look(client: Client, id: TaskId, signal: AbortSignal | undefined): Promise<Seen> {
  const task = await getTask(client, { id });
  const standing = await readStanding(client, task);
  const isTold = task.state === "Created" || task.state === "Failed";
  const status = isTold ? await askStatus(client, task, signal) : null;
  return { task, standing, failure: await readFailure(client, task, { standing, status }) };
}

/** Null if the provider does not answer. */
async function askStatus(client: Client, { id, provider }: Task, signal: AbortSignal | undefined) {
  try {
    const service = await getService(client, { provider });
    return await fetchTaskStatus(client, { service, id, signal });
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

function failedError({ task, standing }: Seen, { code, message }: TaskFailure): ProtocolError {
  const { id } = task;
  const uuid = formatTaskId(id);
  const cancel = { verb: "cancelTask", parameters: { id } } as const;
  if (task.state === "Created")
    return new ProtocolError(
      code,
      `Task ${uuid} is not accepted. ${message}`,
      "Cancel it to release its fee.",
      { next: cancel },
    );
  const ended = `Task ${uuid} ended without a model: ${message}`;
  return standing.next === "claim"
    ? new ProtocolError(code, ended, "Claim it with expire.")
    : new ProtocolError(code, ended, "The fee is free again; see the log of the task.", {
        next: { verb: "streamTask", parameters: { id } },
      });
}

function timedOutError(id: TaskId, standing: Standing | null): ProtocolError {
  const state = standing ? `is still ${standing.progress}` : "could not be read";
  return new ProtocolError(
    "timed-out",
    `Task ${formatTaskId(id)} ${state}.`,
    "It continues. Wait longer.",
  );
}
