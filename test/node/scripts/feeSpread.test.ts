import { expect } from "chai";
import { describe, it } from "mocha";
import { feeSpread } from "../../../scripts/economics/feeSpread.ts";

describe("fees compared with true costs", () => {
  it("differ by at most a factor of 1.3 over 1,000 random orders", () => {
    const { orders, spread, dearest, cheapest } = feeSpread();
    expect(orders).to.equal(1_000);
    expect(spread, JSON.stringify({ dearest, cheapest })).to.be.within(1, 1.3);
  });
});
