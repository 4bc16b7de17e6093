import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { listTasks } from "../../sdk/task/listTasks.ts";
import type { Task } from "../../sdk/task/Task.ts";
import { chooseTask, findWholeTask } from "./findTask.ts";

type Wallet = Client & { readonly address: string };

/** Finds the task with a full id, or with its beginning among the caller's tasks at all providers. */
export async function findOwnTask(client: Wallet, id: string): Promise<Task> {
  const whole = await findWholeTask(client, id);
  if (whole) return whole;
  return chooseTask(await listTasks(client, { user: client.address }), id) ?? throwNotFound(id);
}

/** The positional argument <id>, read before any network request. */
export function readTaskId(id: string): string {
  if (id !== "") return id;
  throw new ProtocolError(
    "usage",
    "The task's ID is missing.",
    "Write it after the command; see your tasks.",
    { next: { verb: "listTasks", parameters: {} } },
  );
}

function throwNotFound(id: string): never {
  throw new ProtocolError(
    "not-found",
    `You have no task whose id begins with "${id}".`,
    "See your tasks.",
    { next: { verb: "listTasks", parameters: {} } },
  );
}
