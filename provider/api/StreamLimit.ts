import type { TaskId } from "../../sdk/ids.ts";

/** Streams that may be open at once. */
const MAX_STREAMS = 100;
/** Of these, reserved for users who have none open. */
const RESERVED = 20;
const PER_USER = 16;
const PER_TASK = 4;

/** Bounds the open streams of logs and events: per task, per user and in total. */
export class StreamLimit {
  readonly #byUser = new Map<string, number>();
  readonly #byTask = new Map<TaskId, number>();
  #total = 0;

  /** Takes a place. @returns the function that releases it; null if none is free. */
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
