import { isDeepStrictEqual } from "node:util";
import type { TaskId } from "../../sdk/ids.ts";
import { advance, type JobEvent } from "../machine/machine.ts";
import type { Facts, JobRecord, Store } from "../store/Store.ts";

/**
 * Takes an event into a job: the new state, what a step found out and the effects that follow are one commit.
 * @returns the job afterwards; null when there is none with this id.
 */
export function applyEvent(
  store: Store,
  id: TaskId,
  event: JobEvent,
  found: Facts = {},
): JobRecord | null {
  return store.transaction(() => {
    const record = store.job(id);
    if (!record) return null;
    const { job, effects } = advance(record.job, event);
    // What a step found that has been dropped meanwhile is about an order or a dataset of the past.
    const counts = event.type === "done" && event.step === record.job.pending;
    const next = { ...record, job, facts: counts ? { ...record.facts, ...found } : record.facts };
    if (isDeepStrictEqual(next, record)) return record;
    store.putJob(next);
    store.endEffects(id, job.pending);
    for (const step of effects) store.openEffect(id, step);
    return next;
  });
}
