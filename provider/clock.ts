import { setTimeout as wait } from "node:timers/promises";

/** The daemon's only source of time, so that a test can bring its own. */
export interface Clock {
  /** Unix time in milliseconds. */
  now(): number;
  /** Resolves after `milliseconds`, or at once when `signal` aborts. Never rejects. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (milliseconds, signal) => wait(milliseconds, undefined, { signal }).catch(() => undefined),
};

const FIRST_DELAY = 500;
const LONGEST_DELAY = 60_000;

/** Milliseconds to wait after the given number of failures in a row (from 1): doubling, bounded. */
export function backoff(failures: number): number {
  return Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** Math.min(failures - 1, 16));
}
