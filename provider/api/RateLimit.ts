import type { Clock } from "../clock.ts";

/** Sustained requests per second for one address, and the size of a burst. */
const PER_SECOND = 20;
const BURST = 100;
/** Most addresses remembered. The oldest is forgotten first, which can only be to its advantage. */
const ADDRESSES = 10_000;

/** A token bucket per address. */
export class RateLimit {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the address may make one more request. */
  allows(address: string): boolean {
    const now = this.#clock.now();
    const { tokens, at } = this.#buckets.get(address) ?? { tokens: BURST, at: now };
    const filled = Math.min(BURST, tokens + ((now - at) / 1000) * PER_SECOND);
    this.#buckets.delete(address);
    this.#buckets.set(address, { tokens: Math.max(0, filled - 1), at: now });
    if (this.#buckets.size > ADDRESSES) this.#buckets.delete(this.#buckets.keys().next().value!);
    return filled >= 1;
  }
}
