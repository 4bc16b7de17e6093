import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { type QuoteParameters, quote as quoteOf } from "../../../../sdk/task/quote.ts";
import { RATES } from "../../../helpers/MarketFixture.ts";
import { rejection } from "../../../helpers/rejection.ts";

const MAX_UNITS = 2n ** 64n - 1n;
const MAX_FEE = 2n ** 96n - 1n;

describe("sdk/task quote", () => {
  const service = (pricePerUnit: bigint, bondBps = 10_000, minimumUnits = 1n) => ({
    pricePerUnit,
    minimumUnits,
    bondBps,
    maxTrainingTime: 3_600,
  });

  /** For one epoch, in which each unit of the dataset counts as one of work. */
  const quote = ({ units, ...of }: Pick<QuoteParameters, "service"> & { units: bigint }) =>
    quoteOf({ ...of, model: { rates: RATES }, config: { n_epochs: 1 }, dataSize: units });

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

  it("charges for the minimum if the work is less", () => {
    const { units, fee, work } = quote({ service: service(3n, 10_000, 1_000n), units: 10n });
    expect({ units, fee, sum: work.sum }).to.deep.equal({ units: 1_000n, fee: 3_000n, sum: 10n });
  });
});
