import type { Clock } from "./clock.ts";

/** A function that computes its value again only if the last one is older than `maxAge` milliseconds. */
export function cached<T>(make: () => T, maxAge: number, clock: Pick<Clock, "now">): () => T {
  let last: { value: T; at: number } | null = null;
  return () => {
    const now = clock.now();
    // The absolute value also covers a clock that was set back.
    if (!last || Math.abs(now - last.at) >= maxAge) last = { value: make(), at: now };
    return last.value;
  };
}
