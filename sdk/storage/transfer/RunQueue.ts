import { TRANSFERS_AT_ONCE } from "../files/inParallel.ts";
import type { SegmentRange } from "../files/PartialFile.ts";

/** Segments in the longest run: 4 MiB, so that a slow sender has the time of many segments for one request. */
export const MAX_RUN = 16;

/** Segments that have to be transferred, handed out in runs of neighbours: one request each. */
export class RunQueue {
  readonly #ranges: SegmentRange[];

  constructor(ranges: readonly SegmentRange[]) {
    this.#ranges = ranges.map(([first, end]) => [first, end]);
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  /** The next run, of at most `most` segments and never more than everybody's fair share of the rest. */
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

  /** Takes back what is left of a run that failed. */
  putBack([first, end]: SegmentRange): void {
    if (first < end) this.#ranges.unshift([first, end]);
  }
}

/** Milliseconds that a run should take: progress is seen that often, and that much can be lost with a connection. */
const TARGET_TIME_MS = 500;

/** Finds the length of run that suits a connection. */
export class AdaptiveBatch {
  #segments = 1;

  get segments(): number {
    return this.#segments;
  }

  /** Learns that a run took so long. */
  took(milliseconds: number): void {
    const next = milliseconds < TARGET_TIME_MS ? this.#segments * 2 : this.#segments / 2;
    this.#segments = Math.min(MAX_RUN, Math.max(1, Math.floor(next)));
  }
}
