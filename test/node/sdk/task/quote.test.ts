import { expect } from "chai";
import fc from "fast-check";
import { after, before, describe, it } from "mocha";
import { quote } from "../../../../sdk/task/quote.ts";
import { MarketFixture } from "../../../helpers/MarketFixture.ts";
import { rejection } from "../../../helpers/rejection.ts";

const MAX_UNITS = 2n ** 64n - 1n;
const MAX_FEE = 2n ** 96n - 1n;

describe("sdk/task quote", () => {
  let market: MarketFixture;
  before(async () => {
    market = await MarketFixture.open();
  });
  after(() => market.close());

  const service = (pricePerUnit: bigint, bondBps = 10_000) => ({
    pricePerUnit,
    bondBps,
    maxTrainingTime: 3_600,
  });

  it("is price × units, exactly, and a bond of at least the fee", () => {
    const units = fc.bigInt(1n, MAX_UNITS);
    const price = fc.bigInt(1n, 2n ** 32n);
    const bondBps = fc.integer({ min: 10_000, max: 65_535 });
    fc.assert(
      fc.property(units, price, bondBps, (units, price, bondBps) => {
        const { fee, bond } = quote({ service: service(price, bondBps), units });
        expect(fee).to.equal(units * price);
        expect(bond >= fee).to.equal(true);
        expect(bond * 10_000n >= fee * BigInt(bondBps)).to.equal(true);
        expect((bond - 1n) * 10_000n < fee * BigInt(bondBps)).to.equal(true);
      }),
    );
  });

  it("rounds the bond up, as the contract does", () => {
    const cases = [
      [1n, 10_001, 2n],
      [9_999n, 12_345, 12_344n],
      [10n ** 18n + 1n, 15_000, 1_500_000_000_000_000_002n],
    ] as const;
    for (const [fee, bondBps, bond] of cases)
      expect(quote({ service: service(fee, bondBps), units: 1n }).bond).to.equal(bond);
  });

  it("refuses values that no order can have", async () => {
    for (const units of [0n, -1n, MAX_UNITS + 1n]) {
      expect((await rejection(() => quote({ service: service(1n), units }))).code).to.equal(
        "usage",
      );
    }
    const units = 2n;
    const dear = service(MAX_FEE / 2n + 1n);
    expect((await rejection(() => quote({ service: dear, units }))).code).to.equal("usage");
    expect(quote({ service: service(MAX_FEE), units: 1n }).fee).to.equal(MAX_FEE);
  });
});
