import type { Client } from "../client.ts";
import type { FailReason } from "./FailReason.ts";
import type { TaskStatus } from "./fetchTaskStatus.ts";
import type { FailureCode, Standing } from "./standing.ts";
import type { Task } from "./Task.ts";
import { fetchLastTaskEvent } from "./taskEvents.ts";

/** Why there will be no model. */
export interface TaskFailure {
  readonly code: FailureCode;
  readonly message: string;
}

/** What is known about a task. */
interface Known {
  readonly standing: Standing;
  /** Null if the provider was not asked or did not answer. */
  readonly status: TaskStatus | null;
}

/** Failure reasons caused by the user's input. */
const BY_INPUT: readonly FailReason[] = [
  "DatasetUnavailable",
  "DatasetLargerThanDeclared",
  "DatasetInvalid",
  "ConfigInvalid",
  "ModelUnknown",
  "KeyMismatch",
  "OutOfMemory",
];

/** Why there will be no model, from the chain and in the provider's words; null if there still can be one. */
export async function readFailure(
  client: Client,
  task: Task,
  { standing, status }: Known,
): Promise<TaskFailure | null> {
  if (task.state === "Created" && status?.failure)
    return { code: "declined", message: `The provider refuses the order: ${wordsOf(status)}` };
  if (standing.failure === null) return null;
  if (task.state !== "Failed") return { code: standing.failure, message: standing.meaning };
  const reason = await findReason(client, task);
  const code = BY_INPUT.includes(reason) ? "task-failed-by-input" : standing.failure;
  const words = wordsOf(status);
  return { code, message: words === "" ? reason : `${reason}: ${words}` };
}

function wordsOf(status: TaskStatus | null): string {
  return status?.failure ? `${status.failure.message} ${status.failure.hint}`.trim() : "";
}

/** The reason is only in the event: the contract does not store it. */
async function findReason(client: Client, task: Task): Promise<FailReason> {
  const last = await fetchLastTaskEvent(client, task);
  return last.name === "TaskFailed" ? last.reason : "Unspecified";
}
