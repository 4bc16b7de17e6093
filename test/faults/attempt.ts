import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { FaultFixture } from "./FaultFixture.ts";
import { judge } from "./oracle.ts";
import type { RunResult } from "./Programme.ts";
import type { SimulatedUser } from "./SimulatedUser.ts";

/** Folders of one run: the users', and the daemon's state. */
export interface RunFolders {
  readonly directory: string;
  readonly state: string;
}

/** The result of a run: the users to be judged, how often the fault occurred, and where secrets were found. */
export interface Outcome {
  readonly users: readonly SimulatedUser[];
  readonly strikes: number;
  readonly leaked?: readonly string[];
  /** Problems that the run itself found. */
  readonly lost?: readonly string[];
  /** The daemon's peak memory, if it is measured. */
  readonly peakMiB?: number;
}

/**
 * Runs something from the market's start, or from its current state, and judges the result; an error counts as a loss.
 */
export async function attempt(
  market: FaultFixture,
  name: string,
  work: (folders: RunFolders) => Promise<Outcome>,
  begin: (market: FaultFixture) => Promise<string> = (market) => market.begin(),
): Promise<RunResult> {
  const directory = await begin(market);
  const state = join(directory, "state");
  mkdirSync(state);
  try {
    const { users, leaked, lost = [], ...measured } = await work({ directory, state });
    const verdict = await judge(market, users, state, leaked);
    return { name, ...measured, ...verdict, lost: [...verdict.lost, ...lost] };
  } catch (error) {
    return {
      name,
      strikes: 0,
      lost: [`the run broke off: ${(error as Error).stack}`],
      doubled: [],
      leaked: [],
    };
  } finally {
    await Promise.all([...market.daemons].map((daemon) => daemon.end("SIGKILL")));
    rmSync(directory, { recursive: true, force: true });
  }
}
