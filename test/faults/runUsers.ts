import { setTimeout as wait } from "node:timers/promises";
import { isRefused } from "../../provider/machine/machine.ts";
import { HANGS_AFTER } from "../helpers/patience.ts";
import { Daemon, type DaemonOptions } from "./Daemon.ts";
import type { FaultFixture } from "./FaultFixture.ts";
import type { Fuse } from "./Fuse.ts";
import type { SimulatedUser } from "./SimulatedUser.ts";

/** Polling interval of the users in milliseconds; each poll mines a block while there is nothing to do. */
const POLL_INTERVAL = 4;

export interface UserRun {
  readonly market: FaultFixture;
  readonly options: DaemonOptions;
  readonly users: readonly SimulatedUser[];
  /** The fuse of the next daemon after one died; by default it never blows. */
  readonly nextFuse?: () => Fuse | undefined;
  /** Whether a daemon that ended by itself, with this failure, is restarted. */
  readonly survives?: (failure: unknown) => boolean;
  /** The users have ordered already. */
  readonly isPlaced?: boolean;
  /** Called after every poll of the users. @returns whether it has changed what they saw. */
  readonly meddle?: (daemon: Daemon) => Promise<boolean>;
}

/**
 * Runs a daemon until all tasks and all its own work have ended; one that dies is restarted. The last one is stopped
 * gracefully.
 * @throws the error of a daemon that was neither stopped nor killed.
 */
export async function runUsers(run: UserRun): Promise<Daemon> {
  const { market, options, users, isPlaced = false, meddle } = run;
  let daemon = new Daemon(market, options);
  const end = performance.now() + HANGS_AFTER;
  try {
    if (!isPlaced) for (const user of users) await user.place();
    while (performance.now() < end) {
      daemon = await afterDeath(daemon, run);
      daemon = await afterFailure(daemon, run);
      const haveEnded = await pollAll(users, daemon);
      if (await meddle?.(daemon)) continue;
      if (haveEnded && isIdle(daemon, users)) break;
      await Promise.race([wait(POLL_INTERVAL), daemon.ended]);
    }
  } finally {
    await daemon.stop();
  }
  return daemon;
}

/** The daemon, or the next one if it was killed. */
async function afterDeath(daemon: Daemon, { market, options, nextFuse }: UserRun): Promise<Daemon> {
  if (!daemon.fuse.isDead) return daemon;
  await daemon.ended;
  const { fuse: _, ...rest } = options;
  const fuse = nextFuse?.();
  return new Daemon(market, fuse ? { ...rest, fuse } : rest);
}

/** The daemon, or the next one if it ended by a failure that it may end by. */
async function afterFailure(
  daemon: Daemon,
  { market, options, survives }: UserRun,
): Promise<Daemon> {
  if (daemon.failure === null) return daemon;
  await daemon.ended;
  if (!survives?.(daemon.failure)) throw daemon.failure;
  return new Daemon(market, options);
}

/** @returns whether all tasks have ended for their users */
async function pollAll(users: readonly SimulatedUser[], daemon: Daemon): Promise<boolean> {
  const ended: boolean[] = [];
  for (const user of users) {
    user.isRefused = isRefusedBy(daemon, user);
    ended.push(await user.poll());
  }
  return ended.every(Boolean);
}

/** What the API would report about an order: that it will not be accepted. */
function isRefusedBy(daemon: Daemon, { id }: SimulatedUser): boolean {
  if (daemon.fuse.isDead || daemon.failure !== null) return false;
  const job = daemon.store.job(id)?.job;
  return job !== undefined && isRefused(job);
}

/** Whether the daemon knows that its tasks have ended, and has cleaned up after them. */
function isIdle(daemon: Daemon, users: readonly SimulatedUser[]): boolean {
  if (daemon.fuse.isDead || daemon.failure !== null) return false;
  return users.every(({ id, state }) => {
    const job = daemon.store.job(id)?.job;
    return job?.chain === state && job.cleaned;
  });
}
