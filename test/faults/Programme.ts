import type { FaultFixture } from "./FaultFixture.ts";
import type { Verdict } from "./oracle.ts";

interface ProgrammeOptions {
  readonly seed: number;
  /** A small part of the runs, for every day. */
  readonly short: boolean;
  /** Takes every n-th run only, counted by its name, so that several processes share a programme. */
  readonly takes: (name: string) => boolean;
}

export interface RunResult extends Verdict {
  /** Names the run; with the seed, it is run again by it. */
  readonly name: string;
  /** Times that the fault struck in this run. */
  readonly strikes: number;
  /** The most memory that the daemon held, where that is in question. */
  readonly peakMiB?: number;
}

/** One kind of fault: runs in the market, one after the other. */
export type Programme = (
  market: FaultFixture,
  options: ProgrammeOptions,
) => AsyncIterable<RunResult>;
