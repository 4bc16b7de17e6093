import { isDeepStrictEqual } from "node:util";
import type { TaskId } from "../../sdk/ids.ts";
import { advance, type JobEvent } from "../machine/machine.ts";
import type { Facts, JobRecord, Store } from "../store/Store.ts";

/**
 * Applies an event to a job. The new state, the step's facts and the resulting effects are committed together.
 * @returns the updated job; null if there is none with this id.
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
    // Facts of a step that was dropped meanwhile concern an outdated order or dataset.
    const counts = event.type === "done" && event.step === record.job.pending;
    const next = { ...record, job, facts: counts ? { ...record.facts, ...found } : record.facts };
    if (isDeepStrictEqual(next, record)) return record;
    store.putJob(next);
    store.endEffects(id, job.pending);
    for (const step of effects) store.openEffect(id, step);
    return next;
  });
}
