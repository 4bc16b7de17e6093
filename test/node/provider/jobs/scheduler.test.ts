import { expect } from "chai";
import { describe, it } from "mocha";
import { type Job, newJob } from "../../../../provider/jobs/machine.ts";
import { grantSlots, occupiedSlots, waitingLine } from "../../../../provider/jobs/scheduler.ts";
import type { JobRecord } from "../../../../provider/store/Store.ts";

const waiting: Partial<Job> = { chain: "Created", work: "verified" };
const training: Partial<Job> = { chain: "Accepted", work: "counted", slot: true };

function record(id: string, user: string, job: Partial<Job>): JobRecord {
  return { id, user, job: { ...newJob(), ...job } } as unknown as JobRecord;
}

const idsOf = (records: readonly JobRecord[]) => records.map(({ id }) => id);

describe("scheduler", () => {
  it("gives slots to the oldest first", () => {
    const jobs = [record("a", "ann", waiting), record("b", "bob", waiting)];
    expect(grantSlots(jobs, 1)).to.deep.equal(["a"]);
    expect(grantSlots(jobs, 5)).to.deep.equal(["a", "b"]);
  });

  it("gives nothing while all slots are taken", () => {
    const jobs = [record("a", "ann", training), record("b", "bob", waiting)];
    expect(occupiedSlots(jobs)).to.equal(1);
    expect(grantSlots(jobs, 1)).to.deep.equal([]);
  });

  it("serves users in turn, whoever ordered more", () => {
    const jobs = [
      record("a1", "ann", waiting),
      record("a2", "ann", waiting),
      record("a3", "ann", waiting),
      record("b1", "bob", waiting),
    ];
    expect(idsOf(waitingLine(jobs))).to.deep.equal(["a1", "b1", "a2", "a3"]);
  });

  it("counts a training under way as a turn", () => {
    const jobs = [
      record("a1", "ann", training),
      record("a2", "ann", waiting),
      record("b1", "bob", waiting),
    ];
    expect(idsOf(waitingLine(jobs))).to.deep.equal(["b1", "a2"]);
  });

  it("puts accepted tasks first, whose deadline runs", () => {
    const jobs = [
      record("a", "ann", waiting),
      record("b", "bob", { chain: "Accepted", work: "verified" }),
    ];
    expect(idsOf(waitingLine(jobs))).to.deep.equal(["b", "a"]);
  });

  it("passes over what is not verified, refused or trained already", () => {
    const failure = { reason: "DatasetInvalid" as const, message: "", hint: "" };
    const jobs = [
      record("a", "ann", { chain: "Created", work: "none" }),
      record("b", "bob", { ...waiting, failure }),
      record("c", "cid", { chain: "Accepted", work: "trained" }),
      record("d", "dan", { chain: "Cancelled", work: "verified" }),
    ];
    expect(waitingLine(jobs)).to.deep.equal([]);
  });
});
