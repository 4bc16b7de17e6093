import type { Client } from "../client.ts";
import { getTask } from "../task/getTask.ts";
import type { Task } from "../task/Task.ts";
import type { Call } from "../transaction/Call.ts";
import { confirm } from "./calls.ts";

/**
 * Confirms a model with `submit`, unless the task is settled, possibly by someone else meanwhile.
 * @returns null if it was settled.
 */
export async function confirmUnlessSettled<Sent>(
  client: Client,
  task: Task,
  submit: (call: Call) => Promise<Sent>,
): Promise<Sent | null> {
  if (task.state === "Settled") return null;
  try {
    return await submit(confirm(client, task));
  } catch (error) {
    const { state } = await getTask(client, task);
    if (state === "Settled") return null;
    throw error;
  }
}
