import type { FaultFixture } from "./FaultFixture.ts";
import type { Verdict } from "./oracle.ts";

interface ProgrammeOptions {
  readonly seed: number;
  /** A small part of the runs, for daily use. */
  readonly short: boolean;
  /** Selects every n-th run only, counted by its name, so that several processes share a programme. */
  readonly takes: (name: string) => boolean;
}

export interface RunResult extends Verdict {
  /** Identifies the run, which name and seed reproduce. */
  readonly name: string;
  /** Number of times that the fault occurred in this run. */
  readonly strikes: number;
  /** The daemon's peak memory, if it is measured. */
  readonly peakMiB?: number;
}

/** One kind of fault: runs in the market, one after the other. */
export type Programme = (
  market: FaultFixture,
  options: ProgrammeOptions,
) => AsyncIterable<RunResult>;
