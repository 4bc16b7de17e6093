import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { formatTaskId } from "../ids.ts";
import { readChain } from "../transaction/readChain.ts";
import type { TaskParameters } from "./calls.ts";
import { decodeTask, type Task } from "./Task.ts";

/**
 * Reads the state of a task.
 * @throws ProtocolError "not-found" if there is no task with this id.
 * @example const { state, deadline } = await getTask(client, { id });
 */
export async function getTask(client: Client, { id }: TaskParameters): Promise<Task> {
  const task = await readChain(client, async () => decodeTask(id, await client.serving.taskOf(id)));
  if (task) return task;
  throw new ProtocolError(
    "not-found",
    `There is no task ${formatTaskId(id)} on this network.`,
    "See your tasks.",
    { next: { verb: "listTasks", parameters: {} } },
  );
}
