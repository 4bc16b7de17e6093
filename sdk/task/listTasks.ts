import type { Client } from "../client.ts";
import type { TaskId } from "../ids.ts";
import { readChain } from "../transaction/readChain.ts";
import { PAGE_SIZE, readPages } from "../transaction/readPages.ts";
import { getTask } from "./getTask.ts";
import type { Task } from "./Task.ts";

/** Reads all tasks that the user has ever created at the provider, oldest first. */
export async function listTasks(
  client: Client,
  { user, provider }: { user: string; provider: string },
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
