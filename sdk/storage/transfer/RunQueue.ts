import { TRANSFERS_AT_ONCE } from "../files/inParallel.ts";
import type { SegmentRange } from "../files/PartialFile.ts";

/**
 * Maximum number of segments in a run: 4 MiB, so that one request of a slow sender has enough time for many segments.
 */
export const MAX_RUN = 16;

/** Queue of the segments to transfer, in runs of consecutive segments: one request each. */
export class RunQueue {
  readonly #ranges: SegmentRange[];

  constructor(ranges: readonly SegmentRange[]) {
    this.#ranges = ranges.map(([first, end]) => [first, end]);
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  /** The next run, of at most `most` segments and at most a worker's fair share of the rest. */
  take(most: number): SegmentRange | null {
    const range = this.#ranges[0];
    if (!range) return null;
    const left = this.#ranges.reduce((sum, [first, end]) => sum + end - first, 0);
    const share = Math.ceil(left / TRANSFERS_AT_ONCE);
    const run: SegmentRange = [range[0], Math.min(range[1], range[0] + Math.min(most, share))];
    range[0] = run[1];
    if (range[0] === range[1]) this.#ranges.shift();
    return run;
  }

  /** Returns the rest of a failed run to the queue. */
  putBack([first, end]: SegmentRange): void {
    if (first < end) this.#ranges.unshift([first, end]);
  }
}

/**
 * Milliseconds that a run should take: the interval of progress reports, and the work at risk if a connection fails.
 */
const TARGET_TIME_MS = 500;

/** Adapts the length of runs to the speed of a connection. */
export class AdaptiveBatch {
  #segments = 1;

  get segments(): number {
    return this.#segments;
  }

  /** Records the duration of a run. */
  took(milliseconds: number): void {
    const next = milliseconds < TARGET_TIME_MS ? this.#segments * 2 : this.#segments / 2;
    this.#segments = Math.min(MAX_RUN, Math.max(1, Math.floor(next)));
  }
}
