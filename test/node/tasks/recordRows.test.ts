import { expect } from "chai";
import { describe, it } from "mocha";
import type { Service } from "../../../sdk/service/Service.ts";
import { recordRows } from "../../../tasks/terminal/recordRows.ts";

const newcomer = {
  counters: {
    ...{ open: 0, confirmed: 0, finalized: 0, lapsed: 0 },
    ...{ refused: 0, failed: 0, expired: 0, slashed: 0 },
  },
  ...{ earned: 0n, failedAt: 0, stake: 10n ** 17n },
} as Service;

describe("tasks: a provider's record", () => {
  it("has every counter of ended tasks, the earnings, the deposit and the last failure", () => {
    const counters = {
      ...{ open: 1, confirmed: 12, finalized: 3, lapsed: 2 },
      ...{ refused: 7, failed: 4, expired: 5, slashed: 6 },
    };
    const record = { counters, earned: 25n * 10n ** 17n, failedAt: 1_800_000_000 };
    expect(recordRows({ ...newcomer, ...record })).to.deep.equal([
      ["Paid Tasks", "12 confirmed, 3 finalized, 2 lapsed"],
      ["Unpaid Tasks", "7 refused, 4 failed, 5 expired, 6 slashed"],
      ["Last Failure", "2027-01-15T08:00:00.000Z"],
      ["Earned (OG)", "2.5"],
      ["Registration Deposit (OG)", "0.1"],
    ]);
  });

  it("is short for a newcomer, and omits counters that are 0", () => {
    expect(recordRows(newcomer).map(([, value]) => value)).to.deep.equal([
      ...["none", "none", "none", "0", "0.1"],
    ]);
    const counters = { ...newcomer.counters, finalized: 3, expired: 1 };
    const values = recordRows({ ...newcomer, counters }).map(([, value]) => value);
    expect(values.slice(0, 2)).to.deep.equal(["3 finalized", "1 expired"]);
  });
});
