import type { TaskId } from "../../sdk/ids.ts";

/** Streams that may be open at the same time. */
const MAX_STREAMS = 100;
/** Of them, for users who have none yet. */
const RESERVED = 20;
const PER_USER = 16;
const PER_TASK = 4;

/** Who follows logs and events: bounded for each task, for each user and in all. */
export class StreamLimit {
  readonly #byUser = new Map<string, number>();
  readonly #byTask = new Map<TaskId, number>();
  #total = 0;

  /** Takes a place. @returns what gives it back; null when there is none. */
  take(user: string, task: TaskId): (() => void) | null {
    const theirs = this.#byUser.get(user) ?? 0;
    const ofTask = this.#byTask.get(task) ?? 0;
    const most = theirs === 0 ? MAX_STREAMS : MAX_STREAMS - RESERVED;
    if (theirs >= PER_USER || ofTask >= PER_TASK || this.#total >= most) return null;
    this.#total++;
    this.#byUser.set(user, theirs + 1);
    this.#byTask.set(task, ofTask + 1);
    return () => {
      this.#total--;
      decrease(this.#byUser, user);
      decrease(this.#byTask, task);
    };
  }
}

function decrease<K>(counts: Map<K, number>, key: K): void {
  const left = counts.get(key)! - 1;
  if (left > 0) counts.set(key, left);
  else counts.delete(key);
}
