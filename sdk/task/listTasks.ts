import type { Client } from "../client.ts";
import type { TaskId } from "../ids.ts";
import { readChain } from "../transaction/readChain.ts";
import { PAGE_SIZE, readPages } from "../transaction/readPages.ts";
import { getTask } from "./getTask.ts";
import type { Task } from "./Task.ts";

export interface ListTasksParameters {
  /** Address of the user. */
  readonly user: string;
  /** Address of the provider. */
  readonly provider: string;
}

/**
 * Reads all tasks that the user ever created at the provider, oldest first.
 * @throws ProtocolError "network" if the chain does not answer.
 * @example const tasks = await listTasks(client, { user, provider });
 */
export async function listTasks(
  client: Client,
  { user, provider }: ListTasksParameters,
): Promise<Task[]> {
  return readChain(client, async () => {
    const count = await client.serving.taskCount(user, provider);
    const readTask = async (n: bigint) => {
      const id = (await client.serving.taskIdOf(user, provider, n)) as TaskId;
      return getTask(client, { id });
    };
    const numbers = Array.from({ length: Number(count) }, (_, n) => BigInt(n));
    return readPages(count, (offset) =>
      Promise.all(numbers.slice(Number(offset), Number(offset + PAGE_SIZE)).map(readTask)),
    );
  });
}
