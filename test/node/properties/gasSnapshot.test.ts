import { readFileSync } from "node:fs";
import { expect } from "chai";
import { before, describe, it } from "mocha";
import { type GasReport, measureGas } from "../../../scripts/bench/measureGas.ts";

const SNAPSHOT = new URL("../../../gas-snapshot.json", import.meta.url);

/** The limits of protocol.md: the gas of a task and of a dispute, and the contract size of a chain. */
const MOST = { deliverToPaid: 240_000, createToPaid: 430_000, demand: 160_000, dispute: 700_000 };
const MOST_CODE = 24_576;

describe("gas", () => {
  let report: GasReport;
  before(async () => {
    report = await measureGas();
  });

  it("equals the snapshot, to the last unit; npm run bench:gas -- --update renews it", () => {
    expect(report).to.deep.equal(JSON.parse(readFileSync(SNAPSHOT, "utf8")));
  });

  it("stays within what a task and a dispute may cost", () => {
    expect(report.sums.deliverToPaid).to.be.at.most(MOST.deliverToPaid);
    expect(report.sums.createToPaid).to.be.at.most(MOST.createToPaid);
    expect(report.sums.demand).to.be.at.most(MOST.demand);
    expect(report.sums.dispute).to.be.at.most(MOST.dispute);
  });

  it("keeps every contract within the size limit of a chain", () => {
    for (const [contract, size] of Object.entries(report.sizes)) {
      expect(size, contract).to.be.at.most(MOST_CODE);
    }
  });
});
