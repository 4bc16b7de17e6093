import { setTimeout as wait } from "node:timers/promises";
import type { Clock } from "../../provider/clock.ts";

/** A clock on which the daemon's pauses pass a hundred times faster; the chain's clock is separate. */
const SPEED = 100;

export const fastClock: Clock = {
  now: () => Date.now() * SPEED,
  sleep: (milliseconds, signal) =>
    wait(milliseconds / SPEED, undefined, { signal }).catch(() => undefined),
};
