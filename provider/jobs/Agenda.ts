import type { TaskId } from "../../sdk/ids.ts";
import { backoff } from "../clock.ts";
import type { Step } from "../machine/machine.ts";
import type { Effect, JobRecord, Store } from "../store/Store.ts";
import { byUrgency } from "./lanes.ts";

interface Entry {
  readonly step: Step;
  readonly failures: number;
  /** Milliseconds. */
  readonly due: number;
}

/** A step that is due, its job, and since when it has been due, in milliseconds. */
export interface Due {
  readonly effect: Effect;
  readonly record: JobRecord;
  readonly since: number;
}

/**
 * When each open step may be attempted. The pause after a failure depends on the number of failures and a monotonic
 * clock; it is not stored, and starts over after a restart.
 */
export class Agenda {
  readonly #store: Pick<Store, "openEffects" | "job">;
  #entries = new Map<TaskId, Entry>();

  constructor(store: Pick<Store, "openEffects" | "job">) {
    this.#store = store;
  }

  /** The steps that may be attempted at `now`, most urgent first. */
  due(now: number): readonly Due[] {
    const entries = new Map<TaskId, Entry>();
    const due: Due[] = [];
    for (const effect of this.#store.openEffects()) {
      const entry = this.#entryOf(effect, now);
      entries.set(effect.id, entry);
      const record = entry.due <= now && this.#store.job(effect.id);
      if (record) due.push({ effect, record, since: entry.due });
    }
    this.#entries = entries;
    return due.sort((a, b) => byUrgency([a.effect, a.record], [b.effect, b.record]));
  }

  /** When the next of the others is due, as of the last call of `due`; infinity if none is waiting. */
  nextAfter(now: number): number {
    const waits = [...this.#entries.values()].map(({ due }) => due).filter((due) => due > now);
    return waits.reduce((first, due) => Math.min(first, due), Number.POSITIVE_INFINITY);
  }

  #entryOf({ id, step, failures }: Effect, now: number): Entry {
    const known = this.#entries.get(id);
    if (known?.step === step && known.failures === failures) return known;
    return { step, failures, due: failures === 0 ? now : now + backoff(failures) };
  }
}
