import type { Client } from "../../sdk/client.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import type { Task } from "../../sdk/task/Task.ts";
import { blockTimes } from "../../sdk/transaction/blockTimes.ts";
import { viewProgress } from "../terminal/taskView.ts";

/** Tasks at the end of a list whose time is read, at one request each. */
const TIMED = 5;

/** The entries of a list of tasks, oldest first: the tasks with the time of creation, for the newest, and progress. */
export async function listEntries(client: Client, tasks: readonly Task[]) {
  const [times, standings] = await Promise.all([
    blockTimes(
      client,
      tasks.slice(-TIMED).map(({ createdBlock }) => createdBlock),
    ),
    viewProgress(client, tasks),
  ]);
  return tasks.map(({ id, ...task }, index) => ({
    id: formatTaskId(id),
    createdAt: times.get(task.createdBlock) ?? null,
    ...task,
    ...standings[index]!,
  }));
}

/** The time of creation, or the block if the time was not read. */
export const showCreation = ({
  createdAt,
  createdBlock,
}: {
  createdAt: Date | null;
  createdBlock: number;
}) => createdAt?.toISOString() ?? `block ${createdBlock}`;
