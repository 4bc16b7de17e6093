import { isDeepStrictEqual } from "node:util";
import type { TaskEvent } from "../../sdk/task/taskEvents.ts";
import { newJob } from "../machine/machine.ts";
import type { Store } from "../store/Store.ts";

type TaskCreated = Extract<TaskEvent, { name: "TaskCreated" }>;

/**
 * Creates the job for a task that was ordered from this provider. Its first step follows when the task is read from the
 * chain. After a reorganization, the same id may have another order: the job then starts over.
 */
export function admitTask(store: Store, event: TaskCreated): void {
  const known = store.job(event.id);
  if (known && isDeepStrictEqual(known.order, event.order)) return;
  store.putJob({
    id: event.id,
    user: event.user,
    fee: event.fee,
    order: event.order,
    blockNumber: event.blockNumber,
    job: newJob(),
    facts: {},
  });
  store.endEffects(event.id, null);
}
