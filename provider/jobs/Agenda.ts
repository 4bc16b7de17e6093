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

/** An open step, its job, and since when it could have been taken, in milliseconds. */
export interface Due {
  readonly effect: Effect;
  readonly record: JobRecord;
  readonly since: number;
}

/**
 * When each open step may be tried. A pause follows from how often the step has failed and from a clock that nobody
 * sets; none is stored, and after a restart it begins again.
 */
export class Agenda {
  readonly #store: Pick<Store, "openEffects" | "job">;
  #entries = new Map<TaskId, Entry>();

  constructor(store: Pick<Store, "openEffects" | "job">) {
    this.#store = store;
  }

  /** The steps that may be tried at `now`, the most urgent first. */
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

  /** When the next of the others may be tried, as of the last look; infinity when none waits. */
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
