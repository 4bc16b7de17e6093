import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { formatTaskId } from "../../sdk/ids.ts";
import { HANGS_AFTER } from "../helpers/patience.ts";
import { attempt, type RunFolders } from "./attempt.ts";
import { DaemonChild } from "./DaemonChild.ts";
import type { FaultFixture } from "./FaultFixture.ts";
import type { Programme, RunResult } from "./Programme.ts";
import { type Ending, SimulatedUser } from "./SimulatedUser.ts";
import { type Random, seededRandom } from "./seededRandom.ts";

const ROUNDS = 126;
/** Number of kills in one round, while three tasks are running. */
const KILLS = 8;
/** Milliseconds between the daemon's start and the kill; sometimes it comes before the daemon is ready. */
const LONGEST_LIFE = 500;
const ENDINGS: readonly Ending[] = ["confirm", "finalize", "refuse", "cancel", "late", "lapse"];

/** A real daemon in its own process, `node provider/main.ts`, is killed with SIGKILL at random moments. */
export const kill: Programme = async function* (market, { seed, short, takes }) {
  for (let round = 0; round < (short ? 1 : ROUNDS); round++) {
    const name = `kill/${round}`;
    if (takes(name)) yield await killAgainAndAgain(market, name, seededRandom(seed + round));
  }
};

function killAgainAndAgain(market: FaultFixture, name: string, random: Random): Promise<RunResult> {
  return attempt(market, name, async (folders) => {
    const users = [2, 3, 4].map(
      (account) => new SimulatedUser(market, folders.directory, account, random.pick(ENDINGS)),
    );
    for (const user of users) user.neighbours = users.filter((other) => other !== user);
    for (const user of users) await user.place();
    const ended = new AbortController();
    const refused = new Set<string>();
    const acting = liveOn(users, refused, ended.signal);
    const start = () => new DaemonChild(market, folders.state, { refused });
    try {
      for (let strikes = 0; strikes < KILLS; strikes++) await dieOnce(start(), random);
      await finish(start(), folders, users);
    } finally {
      ended.abort();
      await acting;
    }
    const orphans = processesOf(folders.state);
    if (orphans.length > 0) throw new Error(`orphans: ${orphans.join(", ")}`);
    return { users, strikes: KILLS };
  });
}

async function dieOnce(daemon: DaemonChild, random: Random): Promise<void> {
  if (random.next() < 0.9) await daemon.ready();
  await wait(random.integer(0, LONGEST_LIFE));
  await daemon.end("SIGKILL");
}

/** The last daemon runs until everything is done. */
async function finish(
  daemon: DaemonChild,
  { state }: RunFolders,
  users: readonly SimulatedUser[],
): Promise<void> {
  const end = performance.now() + HANGS_AFTER;
  while (performance.now() < end && !(users.every((t) => t.hasEnded()) && hasCleared(state)))
    await wait(50);
  await daemon.end("SIGTERM");
}

/** The users act all the time, whether or not there is a daemon. */
async function liveOn(
  users: readonly SimulatedUser[],
  refused: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    for (const user of users) {
      user.isRefused = refused.has(formatTaskId(user.id));
      await user.poll();
    }
    await wait(20);
  }
}

/** What remains of a job: its log. */
const KEPT: ReadonlySet<string> = new Set(["events.jsonl", "result.json"]);

/** Whether a daemon has cleaned up after all of its jobs. */
export function hasCleared(state: string): boolean {
  const jobs = `${state}/jobs`;
  if (!existsSync(jobs)) return true;
  const left = readdirSync(jobs, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => readdirSync(join(jobs, name)));
  return left.every((name) => KEPT.has(name));
}

/** Running processes that have the state directory among their arguments. */
function processesOf(state: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(state);
      } catch {
        return false; // ended meanwhile
      }
    });
}
