import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { formatTaskId, type TaskId } from "../ids.ts";
import { readChain } from "../transaction/readChain.ts";
import { decodeTask, type Task } from "./Task.ts";

/**
 * Reads where a task stands.
 * @throws ProtocolError "not-found" when there is none with this id.
 */
export async function getTask(client: Client, { id }: { id: TaskId }): Promise<Task> {
  const task = await readChain(client, async () => decodeTask(id, await client.serving.taskOf(id)));
  if (task) return task;
  throw new ProtocolError(
    "not-found",
    `There is no task ${formatTaskId(id)} on this network.`,
    "See your tasks.",
    { next: { verb: "listTasks", parameters: {} } },
  );
}
