import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import {
  decidingRule,
  type RankingCandidate,
  rankServices,
} from "../../../../sdk/service/rankServices.ts";
import type { ServiceCounters } from "../../../../sdk/service/Service.ts";

const NOW = 1_800_000_000;
const DAY = 24 * 3_600;
const NO_TASKS: ServiceCounters = {
  ...{ open: 0, confirmed: 0, finalized: 0, lapsed: 0 },
  ...{ refused: 0, failed: 0, expired: 0, slashed: 0 },
};

interface Settings extends Partial<ServiceCounters> {
  readonly fee?: bigint;
  readonly earned?: bigint;
  readonly failedAt?: number;
  readonly free?: boolean;
  readonly seniority?: number;
}

/** A free newcomer that asks 100 neuron; `settings` are the differences. */
function candidate(settings: Settings = {}): RankingCandidate {
  const { fee = 100n, earned = 0n, failedAt = 0, free = true, seniority = 0, ...more } = settings;
  return {
    service: { earned, failedAt, counters: { ...NO_TASKS, ...more } },
    fee,
    free,
    seniority,
  };
}

const rank = <T extends RankingCandidate>(...candidates: readonly T[]) =>
  rankServices({ candidates, now: NOW });

/** Asserts that the rule puts `better` first, whatever the order of the list. */
function expectFirst(rule: string, better: RankingCandidate, other: RankingCandidate): void {
  expect(rank(better, other)[0]).to.equal(better);
  expect(rank(other, better)[0]).to.equal(better);
  expect(decidingRule({ better, other, now: NOW })).to.equal(rule);
}

const count = fc.integer({ min: 0, max: 1_000 });
const anyCandidate: fc.Arbitrary<RankingCandidate> = fc
  .record({
    fee: fc.bigInt(1n, 1_000n),
    earned: fc.bigInt(0n, 100_000n),
    failedAt: fc.oneof(fc.constant(0), fc.integer({ min: NOW - 14 * DAY, max: NOW })),
    free: fc.boolean(),
    ...{ open: count, confirmed: count, finalized: count, lapsed: count },
    ...{ refused: count, failed: count, expired: count, slashed: count },
  })
  .map(candidate);
/** Registered one after the other. */
const anyMarket = fc
  .array(anyCandidate, { minLength: 2, maxLength: 8 })
  .map((market) => market.map((each, seniority) => ({ ...each, seniority })));

describe("sdk/service rankServices", () => {
  describe("the rules, in order", () => {
    it("puts a provider without a failure in the last 7 days first, at any price and record", () => {
      const failed = { failedAt: NOW - 7 * DAY + 1, fee: 1n, earned: 10_000n, confirmed: 100 };
      expectFirst("failure", candidate({ fee: 1_000n, free: false }), candidate(failed));
    });

    it("forgives a failure after 7 days", () => {
      const forgiven = candidate({ failedAt: NOW - 7 * DAY, fee: 99n });
      expectFirst("price", forgiven, candidate());
    });

    it("puts a free provider before a busy one", () => {
      const busy = candidate({ free: false, fee: 1n, earned: 10_000n, confirmed: 100 });
      expectFirst("queue", candidate(), busy);
    });

    it("puts confirmed work worth the fee before less, at any price", () => {
      const proven = candidate({ fee: 1_000n, earned: 1_000n, confirmed: 1 });
      const almost = candidate({ fee: 1_000n, earned: 999n, confirmed: 1 });
      expectFirst("record", proven, almost);
      expectFirst("record", proven, candidate({ fee: 1n }));
    });

    it("asks for a confirmed task, however much was earned with others", () => {
      const unproven = candidate({ earned: 10_000n, finalized: 9 });
      expectFirst("record", candidate({ earned: 100n, confirmed: 1 }), unproven);
    });

    it("puts the cheaper one first among equals", () => {
      expectFirst("price", candidate({ fee: 99n, seniority: 1 }), candidate({ seniority: 0 }));
    });

    it("puts the one that registered first before the others at the same price", () => {
      expectFirst("seniority", candidate({ seniority: 3 }), candidate({ seniority: 4 }));
    });
  });

  it("depends neither on the order of the list nor on anything but the candidates", () => {
    fc.assert(
      fc.property(anyMarket, fc.infiniteStream(fc.nat()), (market, keys) => {
        const shuffled = market
          .map((each) => ({ each, key: keys.next().value as number }))
          .toSorted((a, b) => a.key - b.key)
          .map(({ each }) => each);
        expect(rank(...shuffled)).to.deep.equal(rank(...market));
      }),
    );
  });

  it("ranks a provider that was slashed in the last 7 days behind all that did not fail", () => {
    fc.assert(
      fc.property(anyMarket, fc.integer({ min: 0, max: 7 * DAY - 1 }), (market, age) => {
        const slashed = withService(market[0]!, { failedAt: NOW - age });
        const ranked = rank(slashed, ...market.slice(1));
        const behind = ranked.slice(ranked.indexOf(slashed));
        expect(behind.filter(({ service }) => service.failedAt <= NOW - 7 * DAY)).to.be.empty;
      }),
    );
  });

  it("is not affected by orders that a competitor places to have them refused, or leaves open", () => {
    fc.assert(
      fc.property(anyMarket, count, count, (market, refused, open) => {
        const target = market[0]!;
        const { counters } = target.service;
        const attacked = withService(target, {
          counters: {
            ...counters,
            refused: counters.refused + refused,
            open: counters.open + open,
          },
        });
        expect(placeOf(attacked, market)).to.equal(placeOf(target, market));
      }),
    );
  });

  it("loses nothing by orders that a competitor pays for and never confirms", () => {
    fc.assert(
      fc.property(anyMarket, count, count, fc.bigInt(0n, 100_000n), (market, a, b, paid) => {
        const target = market[0]!;
        const { counters, earned } = target.service;
        const ended = { finalized: counters.finalized + a, lapsed: counters.lapsed + b };
        const attacked = withService(target, {
          earned: earned + paid,
          counters: { ...counters, ...ended },
        });
        expect(placeOf(attacked, market)).to.be.at.most(placeOf(target, market));
      }),
    );
  });

  it("cannot tell a faked record from a real one: for an order larger than an honest provider's record, one trade of its size with oneself passes it", () => {
    const honest = candidate({ earned: 99n, confirmed: 3, seniority: 0 });
    const faker = candidate({ earned: 100n, confirmed: 1, seniority: 1 });
    expectFirst("record", faker, honest);
  });

  it("lifts nobody by more confirmed work than the order's fee", () => {
    fc.assert(
      fc.property(anyMarket, count, fc.bigInt(0n, 10n ** 30n), (market, trades, value) => {
        const [newcomer, ...others] = market as [RankingCandidate, ...RankingCandidate[]];
        const { fee } = newcomer;
        const counters = { ...NO_TASKS, confirmed: 1 };
        const once = withService(newcomer, { earned: fee, counters });
        const faked = withService(newcomer, {
          earned: fee + value,
          counters: { ...counters, confirmed: 1 + trades },
        });
        expect(placeOf(faked, [newcomer, ...others])).to.equal(
          placeOf(once, [newcomer, ...others]),
        );
      }),
    );
  });

  it("never moves a provider back because it asks less", () => {
    fc.assert(
      fc.property(anyMarket, fc.bigInt(1n, 1_000n), (market, price) => {
        const target = market[0]!;
        const cheaper = { ...target, fee: price < target.fee ? price : target.fee };
        expect(placeOf(cheaper, market)).to.be.at.most(placeOf(target, market));
      }),
    );
  });
});

function withService(
  each: RankingCandidate,
  changes: Partial<RankingCandidate["service"]>,
): RankingCandidate {
  return { ...each, service: { ...each.service, ...changes } };
}

/** The place of a candidate that replaces the first one of a market. */
function placeOf(instead: RankingCandidate, market: readonly RankingCandidate[]): number {
  return rank(instead, ...market.slice(1)).indexOf(instead);
}
