import type { Clock } from "./clock.ts";

const MAX_KEYS = 10_000;

/** Like `cached`, for each of many keys. A failed answer is not kept. */
export function cachedByKey<T>(
  ask: (key: string) => Promise<T>,
  maxAge: number,
  clock: Pick<Clock, "now">,
): (key: string) => Promise<T> {
  const known = new Map<string, { answer: Promise<T>; at: number }>();
  return (key) => {
    const last = known.get(key);
    const now = clock.now();
    if (last && Math.abs(now - last.at) < maxAge) return last.answer;
    const answer = ask(key);
    answer.catch(() => known.delete(key));
    known.delete(key);
    known.set(key, { answer, at: now });
    if (known.size > MAX_KEYS) known.delete(known.keys().next().value!);
    return answer;
  };
}

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
