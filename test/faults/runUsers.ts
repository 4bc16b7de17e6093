import { setTimeout as wait } from "node:timers/promises";
import { isRefused } from "../../provider/machine/machine.ts";
import { HANGS_AFTER } from "../helpers/patience.ts";
import { Daemon, type DaemonOptions } from "./Daemon.ts";
import type { FaultFixture } from "./FaultFixture.ts";
import type { Fuse } from "./Fuse.ts";
import type { Trade } from "./Trade.ts";

/** Polling interval of the users in milliseconds; each poll mines a block while there is nothing to do. */
const LOOK_INTERVAL = 4;

export interface TradeRun {
  readonly market: FaultFixture;
  readonly options: DaemonOptions;
  readonly trades: readonly Trade[];
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
export async function runTrades(run: TradeRun): Promise<Daemon> {
  const { market, options, trades, isPlaced = false, meddle } = run;
  let daemon = new Daemon(market, options);
  const end = performance.now() + HANGS_AFTER;
  try {
    if (!isPlaced) for (const trade of trades) await trade.place();
    while (performance.now() < end) {
      daemon = await afterDeath(daemon, run);
      daemon = await afterFailure(daemon, run);
      const areOver = await lookAtAll(trades, daemon);
      if (await meddle?.(daemon)) continue;
      if (areOver && isIdle(daemon, trades)) break;
      await Promise.race([wait(LOOK_INTERVAL), daemon.ended]);
    }
  } finally {
    await daemon.stop();
  }
  return daemon;
}

/** The daemon, or the next one if it was killed. */
async function afterDeath(
  daemon: Daemon,
  { market, options, nextFuse }: TradeRun,
): Promise<Daemon> {
  if (!daemon.fuse.isDead) return daemon;
  await daemon.ended;
  const { fuse: _, ...rest } = options;
  const fuse = nextFuse?.();
  return new Daemon(market, fuse ? { ...rest, fuse } : rest);
}

/** The daemon, or the next one if it ended by a failure that it may end by. */
async function afterFailure(
  daemon: Daemon,
  { market, options, survives }: TradeRun,
): Promise<Daemon> {
  if (daemon.failure === null) return daemon;
  await daemon.ended;
  if (!survives?.(daemon.failure)) throw daemon.failure;
  return new Daemon(market, options);
}

/** @returns whether all tasks have ended for their users */
async function lookAtAll(trades: readonly Trade[], daemon: Daemon): Promise<boolean> {
  const over: boolean[] = [];
  for (const trade of trades) {
    trade.isRefused = isRefusedBy(daemon, trade);
    over.push(await trade.look());
  }
  return over.every(Boolean);
}

/** What the API would report about an order: that it will not be accepted. */
function isRefusedBy(daemon: Daemon, { id }: Trade): boolean {
  if (daemon.fuse.isDead || daemon.failure !== null) return false;
  const job = daemon.store.job(id)?.job;
  return job !== undefined && isRefused(job);
}

/** Whether the daemon knows that its tasks have ended, and has cleaned up after them. */
function isIdle(daemon: Daemon, trades: readonly Trade[]): boolean {
  if (daemon.fuse.isDead || daemon.failure !== null) return false;
  return trades.every(({ id, state }) => {
    const job = daemon.store.job(id)?.job;
    return job?.chain === state && job.cleaned;
  });
}
