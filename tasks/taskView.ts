import type { Client } from "../sdk/client.ts";
import { ProtocolError } from "../sdk/errors.ts";
import { formatTaskId } from "../sdk/ids.ts";
import { getService } from "../sdk/service/getService.ts";
import type { FailReason } from "../sdk/task/FailReason.ts";
import { fetchTaskStatus, type TaskStatus } from "../sdk/task/fetchTaskStatus.ts";
import { getTask } from "../sdk/task/getTask.ts";
import { getTaskOrder, type PlacedOrder } from "../sdk/task/getTaskOrder.ts";
import { PROGRESS, type Progress } from "../sdk/task/progressOf.ts";
import type { Task } from "../sdk/task/Task.ts";
import { fetchTaskEvents } from "../sdk/task/taskEvents.ts";
import { latestBlock } from "../sdk/transaction/latestBlock.ts";

/** A task as its user sees it: the chain's truth, refined by what the provider says while it runs. */
export interface TaskView {
  readonly task: Task;
  readonly order: PlacedOrder;
  readonly progress: Progress;
  /** Null when the provider was not asked, or did not answer. */
  readonly status: TaskStatus | null;
  /** Why it failed, in words; null unless it did. */
  readonly failure: TaskFailure | null;
}

export interface TaskFailure {
  readonly code: "task-failed-by-provider" | "task-failed-by-input" | "declined";
  readonly message: string;
}

/** Reads a task with its order; its provider is asked for more, unless it was cancelled before he began. */
export async function viewTask(client: Client, known: Task): Promise<TaskView> {
  const order = await getTaskOrder(client, known);
  return refreshView(client, known, order);
}

/** The same view, as of now. */
export async function refreshView(
  client: Client,
  { id }: Pick<Task, "id">,
  order: PlacedOrder,
): Promise<TaskView> {
  const task = await getTask(client, { id });
  const status = task.state === "Cancelled" ? null : await askProvider(client, task);
  const progress =
    task.state === "Accepted" ? refine(status?.progress ?? task.progress) : task.progress;
  return { task, order, progress, status, failure: await findFailure(client, task, order, status) };
}

/** Between acceptance and delivery the provider tells how far he is, and can claim no more than that. */
function refine(claimed: string): Progress {
  const known = PROGRESS.slice(PROGRESS.indexOf("SettingUp"), PROGRESS.indexOf("Delivered"));
  return known.find((progress) => progress === claimed) ?? "SettingUp";
}

async function askProvider(client: Client, { id, provider }: Task): Promise<TaskStatus | null> {
  try {
    return await fetchTaskStatus(client, { service: await getService(client, { provider }), id });
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

/** Reasons of a provider that lie with what the user sent. */
const BY_INPUT: readonly FailReason[] = [
  "DatasetUnavailable",
  "DatasetLargerThanDeclared",
  "DatasetInvalid",
  "ConfigInvalid",
  "ModelUnknown",
  "KeyMismatch",
  "OutOfMemory",
];

async function findFailure(
  client: Client,
  task: Task,
  order: PlacedOrder,
  status: TaskStatus | null,
): Promise<TaskFailure | null> {
  switch (task.state) {
    case "Cancelled":
      return { code: "declined", message: "Cancelled before anybody accepted it." };
    case "Expired":
      return { code: "task-failed-by-provider", message: "The provider missed a deadline." };
    case "Slashed":
      return {
        code: "task-failed-by-provider",
        message: "The provider delivered something else than promised.",
      };
    case "Lapsed":
      return {
        code: "declined",
        message:
          "Nobody acknowledged the model in time; acknowledging late is possible for 30 days.",
      };
    case "Failed": {
      const reason = await findReason(client, task, order);
      const code = BY_INPUT.includes(reason) ? "task-failed-by-input" : "task-failed-by-provider";
      const words = status?.failure
        ? `${status.failure.message} ${status.failure.hint}`.trim()
        : "";
      return { code, message: words === "" ? reason : `${reason}: ${words}` };
    }
    default:
      return null;
  }
}

/** The reason is in the event only: the contract does not keep it. */
async function findReason(client: Client, { id }: Task, order: PlacedOrder): Promise<FailReason> {
  const { number: toBlock } = await latestBlock(client);
  const events = await fetchTaskEvents(client, { fromBlock: order.blockNumber, toBlock });
  for (const event of events) {
    if (event.name === "TaskFailed" && event.id === id) return event.reason;
  }
  return "Unspecified";
}

/** The error that ends a command whose task failed. */
export function failureError({ task, failure }: TaskView, logCommand: string): ProtocolError {
  return new ProtocolError(
    failure?.code ?? "task-failed-by-provider",
    `Task ${formatTaskId(task.id)} ended without a model: ${failure?.message ?? task.state}`,
    `The fee is back in the sub-account; see the log: ${logCommand}`,
  );
}
