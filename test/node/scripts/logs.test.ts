import { expect } from "chai";
import { before, describe, it } from "mocha";
import { type LogsReport, measureLogs } from "../../../scripts/bench/measureLogs.ts";

describe("on a long chain, through an endpoint that allows 1,000 blocks per request", () => {
  let report: LogsReport;

  before(async () => {
    report = await measureLogs({ blocks: 20_000, missed: 50_000 });
  });

  it("no user command needs more than 12 requests", () => {
    expect(Object.keys(report.commands)).to.have.length.greaterThan(20);
    const tooMany = Object.entries(report.commands).filter(([, requests]) => requests > 12);
    expect(tooMany).to.deep.equal([]);
    expect(report.userRequests).to.be.at.most(12);
  });

  it("no user command asks for the events of more than one block", () => {
    expect(report.userRange).to.equal(1);
  });

  it("a daemon that was down for 50,000 blocks finds every order with at most 60 requests", () => {
    expect(report.foundTasks).to.equal(2);
    expect(report.catchUpRequests).to.be.at.most(60);
  });
});
