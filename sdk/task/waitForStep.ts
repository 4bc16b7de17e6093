import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { formatTaskId, type TaskId } from "../ids.ts";
import { sleep } from "../platform/index.ts";
import { getTask } from "./getTask.ts";
import { readStanding } from "./readStanding.ts";
import type { NextStep } from "./standing.ts";
import type { Task } from "./Task.ts";

export interface WaitForStepParameters {
  readonly id: TaskId;
  /** The user's next step to wait for: "acknowledge" for a delivery, "decrypt" for its key. */
  readonly step: NextStep;
  /** Milliseconds between two looks at the chain; default: 2,000. */
  readonly interval?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Waits until a step of the user is next for a task. While the chain does not answer, it keeps waiting.
 * @throws ProtocolError "task-failed-by-provider", "task-failed-by-input" or "declined" if no model can come any more;
 * the signal's reason if aborted.
 * @example const task = await waitForStep(client, { id, step: "acknowledge" });
 */
export async function waitForStep(
  client: Client,
  { id, step, interval = 2_000, signal }: WaitForStepParameters,
): Promise<Task> {
  for (;;) {
    const found = await look(client, id);
    if (found?.next === step) return found.task;
    if (found?.failure) throw failedError(id, found.failure, found.meaning);
    await sleep(interval, signal);
    signal?.throwIfAborted();
  }
}

/** Null while the chain does not answer. */
async function look(client: Client, id: TaskId) {
  try {
    const task = await getTask(client, { id });
    return { task, ...(await readStanding(client, task)) };
  } catch (error) {
    if (error instanceof ProtocolError && error.code === "network") return null;
    throw error;
  }
}

function failedError(id: TaskId, code: ProtocolError["code"], meaning: string): ProtocolError {
  return new ProtocolError(
    code,
    `Task ${formatTaskId(id)} has ended without a model: ${meaning}`,
    "See its log.",
    { next: { verb: "streamTask", parameters: { id } } },
  );
}
