import { closeSync, copyFileSync, openSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { StateUnusableError } from "../../provider/errors.ts";
import { attempt } from "./attempt.ts";
import { Daemon } from "./Daemon.ts";
import type { FaultFixture } from "./FaultFixture.ts";
import { failingStore, type StoreFault } from "./failingStore.ts";
import type { Programme, RunResult } from "./Programme.ts";
import { runUsers } from "./runUsers.ts";
import { SimulatedUser } from "./SimulatedUser.ts";
import { type Random, seededRandom } from "./seededRandom.ts";

const ROUNDS = 20;
const STORE_FAULTS: readonly StoreFault[] = ["disk full", "failing fsync"];
const STEPS = ["fetch", "train", "package", "seal", "upload", "clean"];
const DAMAGED_IN = ["Accepted", "Delivered", "Acknowledged", "Revealed"] as const;

/** The disk fills up, loses writes, or returns corrupt bytes. */
export const disk: Programme = async function* (market, { seed, short, takes }) {
  for (let round = 0; round < (short ? 1 : ROUNDS); round++) {
    const random = seededRandom(seed + round);
    for (const fault of STORE_FAULTS) {
      const name = `disk/${fault}/${round}`;
      if (takes(name)) yield await failWrites(market, name, fault, random);
    }
    const full = `disk/no space for files/${round}`;
    if (takes(full)) yield await failSteps(market, full, random);
    const damaged = `disk/damaged page/${round}`;
    if (takes(damaged)) yield await damagePage(market, damaged, random);
  }
};

function failWrites(
  market: FaultFixture,
  name: string,
  fault: StoreFault,
  random: Random,
): Promise<RunResult> {
  return attempt(market, name, async ({ directory, state }) => {
    const user = new SimulatedUser(market, directory, 2, "finalize");
    let strikes = 0;
    const aroundStore = failingStore(fault, random, () => strikes++);
    const survives = (failure: unknown) => failure instanceof StateUnusableError;
    await runUsers({
      market,
      options: { directory: state, aroundStore },
      users: [user],
      survives,
    });
    return { users: [user], strikes };
  });
}

function failSteps(market: FaultFixture, name: string, random: Random): Promise<RunResult> {
  return attempt(market, name, async ({ directory, state }) => {
    const user = new SimulatedUser(market, directory, 2, "confirm");
    const failing = random.pick(STEPS);
    let left = random.integer(1, 4);
    let strikes = 0;
    const beforeStep = (step: string) => {
      if (step !== failing || left-- <= 0) return;
      strikes++;
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    };
    await runUsers({ market, options: { directory: state, beforeStep }, users: [user] });
    return { users: [user], strikes };
  });
}

/** A page of the database is overwritten; the operator restores a backup that is older than the task. */
function damagePage(market: FaultFixture, name: string, random: Random): Promise<RunResult> {
  return attempt(market, name, async ({ directory, state }) => {
    const user = new SimulatedUser(market, directory, 2, "confirm");
    const database = join(state, "state.db");
    const backup = join(directory, "backup.db");
    await new Daemon(market, { directory: state }).stop();
    copyFileSync(database, backup);

    const moment = random.pick(DAMAGED_IN);
    const daemon = new Daemon(market, { directory: state });
    await user.place();
    while (user.state !== moment && !user.hasEnded()) await user.poll();
    await daemon.stop();
    overwritePage(database, random);
    if (opens(market, state)) throw new Error("a damaged database was opened");
    copyFileSync(backup, database);
    await runUsers({ market, options: { directory: state }, users: [user], isPlaced: true });
    return { users: [user], strikes: 1 };
  });
}

const PAGE = 4_096;

/** The header stays; any of the other pages is filled with noise. */
function overwritePage(path: string, random: Random): void {
  const pages = Math.floor(statSync(path).size / PAGE);
  const file = openSync(path, "r+");
  for (let page = 1; page < pages; page++)
    writeSync(file, Buffer.alloc(PAGE, random.integer(1, 255)), 0, PAGE, page * PAGE);
  closeSync(file);
}

function opens(market: FaultFixture, state: string): boolean {
  try {
    void new Daemon(market, { directory: state }).stop();
    return true;
  } catch (error) {
    if (error instanceof StateUnusableError) return false;
    throw error;
  }
}
