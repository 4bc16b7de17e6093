import { expect } from "chai";
import { describe, it } from "mocha";
import { rankServices } from "../../../sdk/service/rankServices.ts";
import { explainChoice } from "../../../tasks/terminal/explainChoice.ts";

const NOW = 1_800_000_000;
const MILLI = 10n ** 15n;
const NO_TASKS = {
  ...{ open: 0, confirmed: 0, finalized: 0, lapsed: 0 },
  ...{ refused: 0, failed: 0, expired: 0, slashed: 0 },
};

/** Providers with proven work, named in the order of registration; each asks so many thousandths of an OG. */
function explain(...offers: readonly { asks: bigint; [flaw: string]: unknown }[]) {
  const candidates = offers.map(({ asks, busy, unproven, failed }, seniority) => ({
    service: {
      provider: `0x${"ABC"[seniority]}`,
      earned: 10n ** 18n,
      failedAt: failed ? NOW - 60 : 0,
      counters: { ...NO_TASKS, confirmed: unproven ? 0 : 3 },
    },
    fee: asks * MILLI,
    free: !busy,
    seniority,
  }));
  return explainChoice(rankServices({ candidates, now: NOW }), "tiny-qwen2", NOW);
}

describe("tasks: why a provider is chosen", () => {
  it("names the cheapest of its equals and what they have in common", () => {
    expect(explain({ asks: 3n }, { asks: 2n }, { asks: 4n })).to.deep.equal({
      among: 3,
      passedOver: null,
      reason:
        "Chosen: 0xB — cheapest of 3 free providers of tiny-qwen2 with paid work worth this order and no failure in the last 7 days.",
    });
  });

  it("says which rule passed over the cheapest one", () => {
    const { reason, passedOver } = explain({ asks: 3n }, { asks: 2n, failed: true }, { asks: 4n });
    expect(passedOver).to.deep.equal({ provider: "0xB", fee: 2n * MILLI, rule: "failure" });
    expect(reason).to.equal(
      "Chosen: 0xA — cheapest of 2 free providers of tiny-qwen2 with paid work worth this order and no failure in the last 7 days. 0xB asks less, 0.002 OG, but had a failure in the last 7 days.",
    );
    expect(explain({ asks: 3n }, { asks: 2n, busy: true }).reason).to.match(
      /^Chosen: 0xA — the only free provider .* 0xB asks less, 0\.002 OG, but is busy\.$/,
    );
    expect(explain({ asks: 3n }, { asks: 2n, unproven: true }).reason).to.match(
      /0xB asks less, 0\.002 OG, but has no paid work worth this order\.$/,
    );
  });

  it("claims no more than is true of a newcomer, a busy provider or one that failed", () => {
    expect(explain({ asks: 3n, unproven: true }).reason).to.equal(
      "Chosen: 0xA — the only free provider of tiny-qwen2 with no failure in the last 7 days; it has no paid work worth this order.",
    );
    const flaws = { busy: true, unproven: true, failed: true };
    expect(explain({ asks: 3n, ...flaws }, { asks: 2n, ...flaws }).reason).to.equal(
      "Chosen: 0xB — cheapest of 2 providers of tiny-qwen2; all of them are busy and have no paid work worth this order and had a failure in the last 7 days.",
    );
  });

  it("says that the earlier registration decided between equal prices", () => {
    expect(explain({ asks: 2n }, { asks: 2n }, { asks: 3n }).reason).to.match(
      /^Chosen: 0xA — cheapest of 3 free providers .*; it registered first of the 2 at this price\.$/,
    );
  });
});
