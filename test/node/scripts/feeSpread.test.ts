import { expect } from "chai";
import { describe, it } from "mocha";
import { feeSpread } from "../../../scripts/bench/economics/feeSpread.ts";

describe("fees compared with true costs", () => {
  it("differ by at most a factor of 1.3 over random orders of small models", () => {
    const { orders, spread, dearest, cheapest } = feeSpread({ orders: 200, largest: 6e8 });
    expect(orders).to.equal(200);
    expect(spread, JSON.stringify({ dearest, cheapest })).to.be.within(1, 1.3);
  });
});
