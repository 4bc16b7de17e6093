import { setTimeout as wait } from "node:timers/promises";
import { attempt, type RunFolders } from "./attempt.ts";
import { DaemonChild } from "./DaemonChild.ts";
import type { FaultFixture } from "./FaultFixture.ts";
import { ENDPOINT_FAULTS, type EndpointFault, FaultyEndpoint } from "./FaultyEndpoint.ts";
import type { Programme } from "./Programme.ts";
import { runUsers } from "./runUsers.ts";
import { ENDINGS, SimulatedUser } from "./SimulatedUser.ts";
import { type Random, seededRandom } from "./seededRandom.ts";

const ROUNDS = 6;
/** With a second, healthy endpoint: the task finishes in time although the first never heals. */
const SHORT_FIRST: readonly EndpointFault[] = ["dripping", "endless", "halted"];
/** Alone, until it heals, or permanently if work is possible. */
const SHORT_ALONE: readonly EndpointFault[] = ["html", "narrow"];
/** Milliseconds for which a single endpoint is faulty. */
const FAULTY_FOR = 2_000;
/** Milliseconds in which a daemon must end after SIGTERM while its requests hang; it waits 5 s for them. */
const END = 15_000;
const MOST_CONNECTIONS = 100;

/** The daemon's first or only endpoint is faulty all the time, not intermittently. */
export const endpoint: Programme = async function* (market, { seed, short, takes }) {
  for (let round = 0; round < (short ? 1 : ROUNDS); round++) {
    for (const [index, fault] of ENDPOINT_FAULTS.entries()) {
      const random = seededRandom(seed + round * ENDPOINT_FAULTS.length + index);
      const first = `endpoint/${fault}-first/${round}`;
      if (takes(first) && (!short || SHORT_FIRST.includes(fault)))
        yield await attempt(market, first, (folders) =>
          runBesideHealthy(market, folders, fault, random),
        );
      const alone = `endpoint/${fault}-alone/${round}`;
      if (takes(alone) && (!short || SHORT_ALONE.includes(fault)))
        yield await attempt(market, alone, (folders) => runAlone(market, folders, fault, random));
    }
    for (const moment of ["starting", "working"] as const) {
      const end = `endpoint/ended-${moment}/${round}`;
      if (takes(end))
        yield await attempt(market, end, (folders) => endWhileHanging(market, folders, moment));
    }
  }
};

async function runBesideHealthy(
  market: FaultFixture,
  { directory, state }: RunFolders,
  fault: EndpointFault,
  random: Random,
) {
  const faulty = await FaultyEndpoint.start(market.chain.rpcUrl, fault);
  const user = new SimulatedUser(market, directory, 2, random.pick(ENDINGS));
  try {
    const options = { directory: state, rpcUrl: `${faulty.url},${market.chain.rpcUrl}` };
    await runUsers({ market, options, users: [user] });
    await ensureTidy(faulty);
  } finally {
    await faulty.close();
  }
  return { users: [user], strikes: faulty.strikes };
}

async function runAlone(
  market: FaultFixture,
  { directory, state }: RunFolders,
  fault: EndpointFault,
  random: Random,
) {
  const faulty = await FaultyEndpoint.start(market.chain.rpcUrl, fault);
  const user = new SimulatedUser(market, directory, 2, random.pick(ENDINGS));
  const heals = fault !== "narrow" && fault !== "late";
  const healing = heals ? setTimeout(() => void faulty.fall(null), FAULTY_FOR) : undefined;
  try {
    const options = { directory: state, rpcUrl: faulty.url };
    await runUsers({ market, options, users: [user] });
    await ensureTidy(faulty);
  } finally {
    clearTimeout(healing);
    await faulty.close();
  }
  return { users: [user], strikes: faulty.strikes };
}

async function ensureTidy(faulty: FaultyEndpoint): Promise<void> {
  await faulty.ensureNoConnections();
  if (faulty.mostConnections > MOST_CONNECTIONS)
    throw new Error(`${faulty.mostConnections} connections were open at the same time`);
}

/** A real daemon whose requests all hang is stopped; the next one finishes its work. */
async function endWhileHanging(
  market: FaultFixture,
  { directory, state }: RunFolders,
  moment: "starting" | "working",
) {
  const faulty = await FaultyEndpoint.start(market.chain.rpcUrl, null);
  const user = new SimulatedUser(market, directory, 2, "confirm");
  try {
    if (moment === "starting") await faulty.fall("dripping");
    const daemon = new DaemonChild(market, state, { variables: { RPC_ENDPOINT: faulty.url } });
    if (moment === "working") await daemon.ready();
    await faulty.fall("dripping");
    await user.place();
    while (faulty.strikes === 0) await wait(20);
    const told = performance.now();
    const code = await Promise.race([daemon.end("SIGTERM"), wait(END, "late", { ref: false })]);
    if (code === "late") await daemon.end("SIGKILL");
    if (code !== 0) throw new Error(`the daemon ended with ${code}`);
    if (performance.now() - told > END) throw new Error("the daemon ended late");
    const options = { directory: state };
    await runUsers({ market, options, users: [user], isPlaced: true });
    await faulty.ensureNoConnections();
  } finally {
    await faulty.close();
  }
  return { users: [user], strikes: faulty.strikes };
}
