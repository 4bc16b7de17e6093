import { setTimeout as wait } from "node:timers/promises";
import { attempt, type RunFolders } from "./attempt.ts";
import { DaemonChild } from "./DaemonChild.ts";
import type { FaultFixture } from "./FaultFixture.ts";
import type { Programme } from "./Programme.ts";
import { runTrades } from "./runTrade.ts";
import { ILLNESSES, type Illness, SickEndpoint } from "./SickEndpoint.ts";
import { type Random, seededRandom } from "./seededRandom.ts";
import { ENDINGS, Trade } from "./Trade.ts";

const ROUNDS = 6;
/** With a second, healthy endpoint: the task finishes in time although the first never heals. */
const SHORT_FIRST: readonly Illness[] = ["dripping", "endless", "halted"];
/** Alone, until it heals, or permanently if work is possible. */
const SHORT_ALONE: readonly Illness[] = ["html", "narrow"];
/** Milliseconds for which a single endpoint is faulty. */
const ILL_FOR = 2_000;
/** Milliseconds in which a daemon must end after SIGTERM while its requests hang; it waits 5 s for them. */
const END = 15_000;
const MOST_CONNECTIONS = 100;

/** The daemon's first or only endpoint is faulty all the time, not intermittently. */
export const endpoint: Programme = async function* (market, { seed, short, takes }) {
  for (let round = 0; round < (short ? 1 : ROUNDS); round++) {
    for (const [index, illness] of ILLNESSES.entries()) {
      const random = seededRandom(seed + round * ILLNESSES.length + index);
      const first = `endpoint/${illness}-first/${round}`;
      if (takes(first) && (!short || SHORT_FIRST.includes(illness)))
        yield await attempt(market, first, (folders) =>
          tradeBeside(market, folders, illness, random),
        );
      const alone = `endpoint/${illness}-alone/${round}`;
      if (takes(alone) && (!short || SHORT_ALONE.includes(illness)))
        yield await attempt(market, alone, (folders) =>
          tradeAlone(market, folders, illness, random),
        );
    }
    for (const moment of ["starting", "working"] as const) {
      const end = `endpoint/ended-${moment}/${round}`;
      if (takes(end))
        yield await attempt(market, end, (folders) => endWhileHanging(market, folders, moment));
    }
  }
};

async function tradeBeside(
  market: FaultFixture,
  { directory, state }: RunFolders,
  illness: Illness,
  random: Random,
) {
  const sick = await SickEndpoint.start(market.chain.rpcUrl, illness);
  const trade = new Trade(market, directory, 2, random.pick(ENDINGS));
  try {
    const options = { directory: state, rpcUrl: `${sick.url},${market.chain.rpcUrl}` };
    await runTrades({ market, options, trades: [trade] });
    await ensureTidy(sick);
  } finally {
    await sick.close();
  }
  return { trades: [trade], strikes: sick.strikes };
}

async function tradeAlone(
  market: FaultFixture,
  { directory, state }: RunFolders,
  illness: Illness,
  random: Random,
) {
  const sick = await SickEndpoint.start(market.chain.rpcUrl, illness);
  const trade = new Trade(market, directory, 2, random.pick(ENDINGS));
  const heals = illness !== "narrow" && illness !== "late";
  const healing = heals ? setTimeout(() => void sick.fall(null), ILL_FOR) : undefined;
  try {
    const options = { directory: state, rpcUrl: sick.url };
    await runTrades({ market, options, trades: [trade] });
    await ensureTidy(sick);
  } finally {
    clearTimeout(healing);
    await sick.close();
  }
  return { trades: [trade], strikes: sick.strikes };
}

async function ensureTidy(sick: SickEndpoint): Promise<void> {
  await sick.ensureNoConnections();
  if (sick.mostConnections > MOST_CONNECTIONS)
    throw new Error(`${sick.mostConnections} connections were open at the same time`);
}

/** A real daemon whose requests all hang is stopped; the next one finishes its work. */
async function endWhileHanging(
  market: FaultFixture,
  { directory, state }: RunFolders,
  moment: "starting" | "working",
) {
  const sick = await SickEndpoint.start(market.chain.rpcUrl, null);
  const trade = new Trade(market, directory, 2, "confirm");
  try {
    if (moment === "starting") await sick.fall("dripping");
    const daemon = new DaemonChild(market, state, { variables: { RPC_ENDPOINT: sick.url } });
    if (moment === "working") await daemon.ready();
    await sick.fall("dripping");
    await trade.place();
    while (sick.strikes === 0) await wait(20);
    const told = performance.now();
    const code = await Promise.race([daemon.end("SIGTERM"), wait(END, "late", { ref: false })]);
    if (code === "late") await daemon.end("SIGKILL");
    if (code !== 0) throw new Error(`the daemon ended with ${code}`);
    if (performance.now() - told > END) throw new Error("the daemon ended late");
    const options = { directory: state };
    await runTrades({ market, options, trades: [trade], isPlaced: true });
    await sick.ensureNoConnections();
  } finally {
    await sick.close();
  }
  return { trades: [trade], strikes: sick.strikes };
}
