import { setTimeout as wait } from "node:timers/promises";

/** The daemon's only source of time, so that a test can bring its own. */
export interface Clock {
  /**
   * Milliseconds, which only ever go forward: pauses and durations are measured with it. It is the unix time unless
   * somebody has set the machine's clock since the start. No deadline is judged by it, which is for the chain's clock.
   */
  now(): number;
  /** Resolves after `milliseconds`, or at once when `signal` aborts. Never rejects. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  sleep: (milliseconds, signal) => wait(milliseconds, undefined, { signal }).catch(() => undefined),
};

/** Unix time in milliseconds, as the machine's clock shows it: for what people and programs elsewhere date. */
export function wallTime(): number {
  return Date.now();
}

const INITIAL_DELAY = 500;
const MAX_DELAY = 60_000;

/** Milliseconds to wait after the given number of failures in a row (from 1): doubling, bounded. */
export function backoff(failures: number): number {
  return Math.min(MAX_DELAY, INITIAL_DELAY * 2 ** Math.min(failures - 1, 16));
}
