import type { Clock } from "./clock.ts";

/** A function that makes its value anew only when the last one is older than `maxAge` milliseconds. */
export function cached<T>(make: () => T, maxAge: number, clock: Pick<Clock, "now">): () => T {
  let last: { value: T; at: number } | null = null;
  return () => {
    const now = clock.now();
    // A clock that was set back makes it anew, too.
    if (!last || Math.abs(now - last.at) >= maxAge) last = { value: make(), at: now };
    return last.value;
  };
}
