/**
 * An attacker with 100 wallets trades with itself to get a record. It competes with an honest provider that asks the
 * same price, registered before it, and earned a tenth of what the attack costs. The order is worth at most what the
 * honest provider has earned: for a larger one, a faked record does help (docs/decisions/0019).
 */
import { readFileSync } from "node:fs";
import { rankServices } from "../../../sdk/service/rankServices.ts";
import type { Service } from "../../../sdk/service/Service.ts";
import { type Random, seededRandom } from "../../../test/faults/seededRandom.ts";
import type { Measure } from "./Measure.ts";

const WALLETS = 100;
const NOW = 1_800_000_000;
const WEEK = 7 * 24 * 3_600;
const GWEI = 10n ** 9n;
const NO_TASKS = {
  ...{ open: 0, confirmed: 0, finalized: 0, lapsed: 0 },
  ...{ refused: 0, failed: 0, expired: 0, slashed: 0 },
};

type TrackRecord = Pick<Service, "counters" | "earned" | "failedAt">;

/** A provider in a simulated market. */
interface Provider {
  readonly service: TrackRecord;
  readonly fee: bigint;
  readonly free: boolean;
}

/** Places in the ranking of one market, from 1. */
export interface SybilPlaces {
  readonly honest: number;
  readonly attacker: number;
  /** The attacker's place after one task of the order's size for a user, instead of all its trades with itself. */
  readonly afterOneTask: number;
}

/** Measures the best place that the attacker gets in so many random markets. */
export function measureSybilRank(markets: number): Measure {
  const places = Array.from({ length: markets }, (_, seed) => simulateSybils(seed));
  const value = Math.min(...places.map(({ attacker }) => attacker));
  const holds = places.every(
    ({ honest, attacker, afterOneTask }) => attacker > honest && attacker >= afterOneTask,
  );
  const where = `${holds ? "always" : "NOT always"} behind an honest provider whose record is worth the order`;
  const summary = `An attacker with ${WALLETS} wallets is ${where}; its best place in ${markets} markets is ${value}.`;
  return { value, holds, summary };
}

/** Ranks the market of a seed. */
export function simulateSybils(seed: number): SybilPlaces {
  const random = seededRandom(seed);
  const { cost, record: faked } = tradeWithItself(random);
  const earlier = honestRecord(random, cost / 10n);
  const fee = anyAmount(random, earlier.earned);
  const honest = { service: earlier, fee, free: true };
  const before = competitors(random, fee).toSpliced(random.integer(0, 3), 0, honest);
  const after = competitors(random, fee);
  const rankWith = (service: TrackRecord) => {
    const attacker = { service, fee, free: true };
    const ranked = rank([...before, attacker, ...after]);
    return { honest: ranked.indexOf(honest) + 1, attacker: ranked.indexOf(attacker) + 1 };
  };
  const oneTask = { earned: fee, failedAt: 0, counters: { ...NO_TASKS, confirmed: 1 } };
  return { ...rankWith(faked), afterOneTask: rankWith(oneTask).attacker };
}

/** Ranks providers that registered in the order of the list. */
function rank(providers: readonly Provider[]): Provider[] {
  const candidates = providers.map((of, seniority) => ({ ...of, seniority, of }));
  return rankServices({ candidates, now: NOW }).map(({ of }) => of);
}

/** Any number of trades at any fees. Fees and bonds come back, so that only the gas is spent. */
function tradeWithItself(random: Random): { readonly cost: bigint; readonly record: TrackRecord } {
  const { verbs, sums } = gasSnapshot();
  const trades = random.integer(WALLETS, 20 * WALLETS);
  const perWallet = verbs.openAccount + verbs["createTask: first at a provider"] - verbs.createTask;
  const gas = WALLETS * perWallet + trades * sums.createToPaid;
  const fees = Array.from({ length: trades }, () => anyAmount(random, 10n ** 21n));
  const earned = fees.reduce((sum, fee) => sum + fee);
  return {
    cost: BigInt(gas) * BigInt(random.integer(1, 100)) * GWEI,
    record: { earned, failedAt: 0, counters: { ...NO_TASKS, confirmed: trades } },
  };
}

interface GasSnapshot {
  readonly verbs: {
    readonly openAccount: number;
    readonly createTask: number;
    readonly "createTask: first at a provider": number;
  };
  readonly sums: { readonly createToPaid: number };
}

function gasSnapshot(): GasSnapshot {
  return JSON.parse(readFileSync(new URL("../../../gas-snapshot.json", import.meta.url), "utf8"));
}

/** Some tasks were never confirmed or acknowledged; none failed recently. */
function honestRecord(random: Random, earned: bigint): TrackRecord {
  const paid = { confirmed: random.integer(1, 50), finalized: random.integer(0, 9) };
  const counters = { ...NO_TASKS, ...paid, lapsed: random.integer(0, 9) };
  const failedAt = random.pick([0, NOW - WEEK - random.integer(0, 10 * WEEK)]);
  return { earned, failedAt, counters: { ...counters, failed: failedAt === 0 ? 0 : 1 } };
}

/** Honest providers with prices from half of the fee to twice the fee; some are busy, some failed recently. */
function competitors(random: Random, fee: bigint): Provider[] {
  return Array.from({ length: random.integer(0, 10) }, () => ({
    service: {
      ...honestRecord(random, anyAmount(random, 10n * fee)),
      ...(random.next() < 0.2 && { failedAt: NOW - random.integer(0, WEEK - 1) }),
    },
    fee: 1n + (fee * BigInt(random.integer(50, 200))) / 100n,
    free: random.next() < 0.7,
  }));
}

/** From 1 neuron to `most`; every order of magnitude is equally likely. */
function anyAmount(random: Random, most: bigint): bigint {
  const magnitude = 10n ** BigInt(random.integer(0, most.toString().length - 1));
  const amount = (magnitude * BigInt(random.integer(100, 999))) / 100n;
  return amount < most ? amount : most;
}
