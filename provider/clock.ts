import { setTimeout as wait } from "node:timers/promises";

/** The daemon's only source of time, so that a test can provide its own. */
export interface Clock {
  /**
   * Monotonic milliseconds, for pauses and durations. Equals the unix time unless the machine's clock was set since the
   * start. Deadlines use the chain's clock instead.
   */
  now(): number;
  /** Resolves after `milliseconds`, or at once when `signal` aborts. Never rejects. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  sleep: (milliseconds, signal) => wait(milliseconds, undefined, { signal }).catch(() => undefined),
};

/** Unix time in milliseconds by the machine's clock: for timestamps that come from or go to other machines. */
export function wallTime(): number {
  return Date.now();
}

const INITIAL_DELAY = 500;
const MAX_DELAY = 60_000;

/** Milliseconds to wait after a number of consecutive failures (from 1): exponential backoff with a maximum. */
export function backoff(failures: number): number {
  return Math.min(MAX_DELAY, INITIAL_DELAY * 2 ** Math.min(failures - 1, 16));
}
