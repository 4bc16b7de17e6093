import { ProtocolError } from "../../sdk/errors.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import type { Task } from "../../sdk/task/Task.ts";
import { failureError, viewTask } from "../terminal/taskView.ts";
import { untilInterrupted } from "../terminal/untilInterrupted.ts";
import type { Setting } from "./fetchModel.ts";
import { waitForTask } from "./waitForTask.ts";

/**
 * Follows a task with a live line until its model is delivered.
 * @param timeout milliseconds; undefined for no limit
 */
export async function followToDelivery(
  { client, terminal, environment }: Setting,
  task: Task,
  timeout: number | undefined,
): Promise<Task> {
  const id = formatTaskId(task.id);
  const stopped = new ProtocolError(
    "declined",
    `Stopped waiting. Task ${id} continues without you.`,
    `Run the same command again to continue, or download the model later: ${environment.command(`fine-tuning download ${id}`)}`,
  );
  const first = await viewTask(client, task);
  const last = await untilInterrupted(stopped, (signal) =>
    waitForTask(client, first, { until: "Delivered", timeout, signal }, terminal),
  );
  if (last.progress !== "Failed") return last.task;
  throw failureError(last, environment);
}
