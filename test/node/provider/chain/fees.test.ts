import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import {
  type Bid,
  firstBid,
  isOutbid,
  type Limits,
  raisedBid,
} from "../../../../provider/chain/fees.ts";
import { type GasPrice, totalPrice } from "../../../../sdk/transaction/gasPrice.ts";

const GWEI = 10n ** 9n;
const limits = (more: Partial<Limits> = {}): Limits => ({
  maxGasPrice: 100n * GWEI,
  gas: 60_000n,
  worth: 0n,
  ...more,
});

const price = fc.record({
  baseFee: fc.option(fc.bigInt(0n, 50n * GWEI)),
  tip: fc.bigInt(0n, 5n * GWEI),
});
const anyLimits = fc.record({
  maxGasPrice: fc.bigInt(1n, 200n * GWEI),
  gas: fc.bigInt(21_000n, 10n ** 6n),
  worth: fc.option(fc.bigInt(0n, 10n ** 18n)),
});

describe("fees", () => {
  it("first bid at most twice the chain's price, and as much as it asks if MAX_GAS_PRICE allows", () => {
    fc.assert(
      fc.property(price, anyLimits, (now: GasPrice, bounds) => {
        const bid = firstBid(now, bounds);
        expect(bid.cap <= 2n * totalPrice(now)).to.equal(true);
        expect(bid.cap <= bounds.maxGasPrice).to.equal(true);
        expect(bid.tip <= bid.cap).to.equal(true);
        if (2n * totalPrice(now) <= bounds.maxGasPrice) expect(isOutbid(bid, now)).to.equal(false);
      }),
    );
  });

  it("increase by the minimum that nodes require, and never beyond the limits", () => {
    fc.assert(
      fc.property(price, price, anyLimits, (before: GasPrice, now: GasPrice, bounds) => {
        const old = firstBid(before, bounds);
        const bid = raisedBid(old, now, bounds);
        if (bid === null) return;
        expect(bid.cap <= bounds.maxGasPrice).to.equal(true);
        expect(10n * bid.cap >= 11n * old.cap && bid.cap > old.cap).to.equal(true);
        const worth = bounds.worth === null ? bounds.maxGasPrice : bounds.worth / bounds.gas;
        const twice = 2n * totalPrice(now);
        expect(bid.cap <= (worth > twice ? worth : twice)).to.equal(true);
      }),
    );
  });

  it("of a low-value step stay at twice the chain's price, however often a pool asks for more", () => {
    const now = { baseFee: GWEI, tip: GWEI };
    expect(raiseWhilePossible(limits({ worth: 1n }), now).cap <= 4n * GWEI).to.equal(true);
  });

  it("of a step that saves a bond increase up to the bond, below MAX_GAS_PRICE", () => {
    const now = { baseFee: GWEI, tip: GWEI };
    const worth = 60_000n * 20n * GWEI;
    const cap = raiseWhilePossible(limits({ worth }), now).cap;
    expect(cap <= 20n * GWEI && cap > 17n * GWEI).to.equal(true);
    const highest = raiseWhilePossible(limits({ worth: 10n ** 18n }), now).cap;
    expect(highest <= 100n * GWEI && highest > 88n * GWEI).to.equal(true);
  });
});

function raiseWhilePossible(bounds: Limits, now: GasPrice): Bid {
  let bid = firstBid(now, bounds);
  for (let next = raisedBid(bid, now, bounds); next; next = raisedBid(bid, now, bounds)) bid = next;
  return bid;
}
