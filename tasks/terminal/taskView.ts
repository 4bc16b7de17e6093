import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import { getService } from "../../sdk/service/getService.ts";
import type { Service } from "../../sdk/service/Service.ts";
import { fetchTaskStatus, type TaskStatus } from "../../sdk/task/fetchTaskStatus.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import { getTaskOrder, type PlacedOrder } from "../../sdk/task/getTaskOrder.ts";
import { PROGRESS, type Progress } from "../../sdk/task/progressOf.ts";
import { readFailure, type TaskFailure } from "../../sdk/task/readFailure.ts";
import { readStanding } from "../../sdk/task/readStanding.ts";
import { type Standing, standingOf } from "../../sdk/task/standing.ts";
import type { Task } from "../../sdk/task/Task.ts";
import { latestBlock } from "../../sdk/transaction/latestBlock.ts";
import type { Environment } from "../Environment.ts";

/** A task as its user sees it: the state on chain, refined by the provider's reports while it runs. */
export interface TaskView {
  readonly task: Task;
  readonly order: PlacedOrder;
  readonly progress: Progress;
  /** The meaning of the state on chain, and the next step. */
  readonly standing: Standing;
  /** Null if the provider was not asked or did not answer. */
  readonly status: TaskStatus | null;
  /** Why there will be no model; null if there still can be one. */
  readonly failure: TaskFailure | null;
}

/**
 * Reads a task with its order, and asks its provider for the status unless the task was cancelled before it started.
 */
export async function viewTask(client: Client, known: Task): Promise<TaskView> {
  const order = await getTaskOrder(client, known);
  return describeTask(client, known, order);
}

/** Refreshes a view. */
export async function refreshView(
  client: Client,
  { task: { id }, order }: TaskView,
): Promise<TaskView> {
  return describeTask(client, await getTask(client, { id }), order);
}

async function describeTask(client: Client, task: Task, order: PlacedOrder): Promise<TaskView> {
  const standing = await readStanding(client, task);
  const status = task.state === "Cancelled" ? null : await askProvider(client, task);
  const failure = await readFailure(client, task, { status, standing });
  if (isRefused(task, failure)) {
    return { task, order, progress: "Failed", standing: REFUSED, status, failure };
  }
  const progress = refine(task, standing, status);
  return { task, order, progress, standing, status, failure };
}

/** An order that the provider will not accept: cancelling it releases its fee. */
const REFUSED: Standing = {
  progress: "Failed",
  meaning: "The provider refuses the order. Cancel it to release its fee.",
  next: "claim",
  failure: "declined",
};

/** Whether the provider reports that it will not accept the order, which is not on chain. */
function isRefused({ state }: Task, failure: TaskFailure | null): boolean {
  return state === "Created" && failure !== null;
}

/** Between acceptance and delivery, the provider reports the progress, which is limited to the states in between. */
function refine(task: Task, standing: Standing, status: TaskStatus | null): Progress {
  if (!isRunning(task, standing)) return standing.progress;
  const known = PROGRESS.slice(PROGRESS.indexOf("SettingUp"), PROGRESS.indexOf("Delivered"));
  return known.find((progress) => progress === status?.progress) ?? standing.progress;
}

const isRunning = ({ state }: Task, { failure }: Standing) =>
  state === "Accepted" && failure === null;

/** The progress and the next step of several tasks, as in viewTask. */
export async function viewProgress(client: Client, tasks: readonly Task[]) {
  const { timestamp } = await latestBlock(client);
  return Promise.all(
    tasks.map(async (task) => {
      const standing = standingOf(task, timestamp);
      const status = isRunning(task, standing) ? await askProvider(client, task) : null;
      return { progress: refine(task, standing, status), next: standing.next };
    }),
  );
}

async function askProvider(client: Client, task: Task): Promise<TaskStatus | null> {
  try {
    return await askStatus(client, await getService(client, task), task);
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

/** A task's status as its provider reports it; null if that does not answer. */
export async function askStatus(
  client: Client,
  service: Service,
  { id }: Pick<Task, "id">,
): Promise<TaskStatus | null> {
  try {
    return await fetchTaskStatus(client, { service, id });
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

/** The error for a task without a model. */
export function failureError(
  { task, failure, standing }: TaskView,
  environment: Environment,
): ProtocolError {
  const id = formatTaskId(task.id);
  if (isRefused(task, failure)) {
    return new ProtocolError(
      "declined",
      `Task ${id} is not accepted. ${failure!.message}`,
      `Its fee stays reserved until the order is cancelled: ${environment.command(`cancel-task --provider ${task.provider} --task ${id}`)}`,
    );
  }
  return new ProtocolError(
    failure?.code ?? "task-failed-by-provider",
    `Task ${id} ended without a model: ${failure?.message ?? task.state}`,
    standing.next === "claim"
      ? `Claim it: ${environment.command(`fine-tuning cancel ${id}`)}`
      : `The fee is back in the sub-account; see the log: ${environment.command(`get-log --task ${id}`)}`,
  );
}
