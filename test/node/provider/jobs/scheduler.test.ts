import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { grantSlots, occupiedSlots, slotQueue } from "../../../../provider/jobs/scheduler.ts";
import { advance, type Job, type JobEvent, newJob } from "../../../../provider/machine/machine.ts";
import type { JobRecord } from "../../../../provider/store/Store.ts";

const waiting: Partial<Job> = { chain: "Created", work: "counted" };
const training: Partial<Job> = { chain: "Accepted", work: "counted", slot: true };

function record(id: string, user: string, job: Partial<Job>): JobRecord {
  return { id, user, job: { ...newJob(), ...job } } as unknown as JobRecord;
}

const idsOf = (records: readonly JobRecord[]) => records.map(({ id }) => id);

describe("scheduler", () => {
  it("assigns slots to the oldest first", () => {
    const jobs = [record("a", "ann", waiting), record("b", "bob", waiting)];
    expect(grantSlots(jobs, 1)).to.deep.equal(["a"]);
    expect(grantSlots(jobs, 5)).to.deep.equal(["a", "b"]);
  });

  it("assigns nothing while all slots are taken", () => {
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
    expect(idsOf(slotQueue(jobs))).to.deep.equal(["a1", "b1", "a2", "a3"]);
  });

  it("counts a running training run as a turn", () => {
    const jobs = [
      record("a1", "ann", training),
      record("a2", "ann", waiting),
      record("b1", "bob", waiting),
    ];
    expect(idsOf(slotQueue(jobs))).to.deep.equal(["b1", "a2"]);
  });

  it("puts accepted tasks first, whose deadline runs", () => {
    const jobs = [
      record("a", "ann", waiting),
      record("b", "bob", { chain: "Accepted", work: "verified" }),
    ];
    expect(idsOf(slotQueue(jobs))).to.deep.equal(["b", "a"]);
  });

  it("reserves no slot for an order whose dataset is being fetched, and keeps its place", () => {
    const jobs = [
      record("a", "ann", { ...waiting, work: "verified" }),
      record("b", "bob", waiting),
    ];
    expect(idsOf(slotQueue(jobs))).to.deep.equal(["a", "b"]);
    expect(grantSlots(jobs, 1)).to.deep.equal(["b"]);
  });

  it("assigns slots only to accepted tasks while nothing may be accepted", () => {
    const jobs = [
      record("a", "ann", waiting),
      record("b", "bob", { ...waiting, chain: "Accepted" }),
    ];
    expect(grantSlots(jobs, 2, false)).to.deep.equal(["b"]);
  });

  it("skips orders that are not verified, are refused or are trained already", () => {
    const failure = { reason: "DatasetInvalid" as const, message: "", hint: "" };
    const jobs = [
      record("a", "ann", { chain: "Created", work: "none" }),
      record("b", "bob", { ...waiting, failure }),
      record("c", "cid", { chain: "Accepted", work: "trained" }),
      record("d", "dan", { chain: "Cancelled", work: "verified" }),
    ];
    expect(slotQueue(jobs)).to.deep.equal([]);
  });
});

/** Seconds from acceptance to the deadline, and those of them that are reserved for the delivery. */
const TRAINING_TIME = 1_000;
const MARGIN = 100;
const TICK = 50;

/** A provider with these slots, and simultaneous orders: how each of them ends. */
function runQueue(orders: readonly { user: string; seconds: number }[], slots: number) {
  const records = orders.map(({ user }, index) => record(`${index}`, user, newJob()));
  const acceptedAt = new Map<string, number>();
  const endedAt = new Map<string, number>();
  let busiest = 0;
  const apply = (index: number, ...events: JobEvent[]) => {
    for (const event of events)
      records[index] = { ...records[index]!, job: advance(records[index]!.job, event).job };
  };
  const chain = (state: "Created" | "Accepted", deadline: number): JobEvent => ({
    type: "chain",
    state,
    deadline,
    trainingTime: TRAINING_TIME,
  });
  for (const index of orders.keys())
    apply(
      index,
      chain("Created", 0),
      { type: "done", step: "verify" },
      { type: "done", step: "fetch" },
      { type: "done", step: "count" },
    );
  const longest = (orders.length + 1) * TRAINING_TIME;
  for (let now = 0; now <= longest && endedAt.size < orders.length; now += TICK) {
    for (const id of grantSlots(records, slots)) {
      apply(Number(id), { type: "slot" });
      expect(records[Number(id)]!.job.pending).to.equal("accept");
      apply(Number(id), chain("Accepted", now + TRAINING_TIME), { type: "done", step: "accept" });
      acceptedAt.set(id, now);
    }
    for (const [index, { id }] of records.entries()) {
      apply(index, { type: "time", now, margin: MARGIN });
      const ready = (acceptedAt.get(id) ?? Number.POSITIVE_INFINITY) + orders[index]!.seconds;
      if (now >= ready) apply(index, { type: "done", step: "train" });
      const { chain: state, work, failure } = records[index]!.job;
      if (!endedAt.has(id) && (work === "trained" || failure)) endedAt.set(id, now);
      if (state === "Created") expect(acceptedAt.has(id)).to.equal(false);
    }
    busiest = Math.max(busiest, records.filter(({ job }) => job.pending === "train").length);
  }
  return { records, acceptedAt, endedAt, busiest };
}

const anyUser = fc.constantFrom("ann", "bob", "cid");
const anyOrders = (longest: number) =>
  fc.array(fc.record({ user: anyUser, seconds: fc.integer({ min: 1, max: longest }) }), {
    maxLength: 30,
  });

describe("scheduler, if more is ordered than can be trained at once", () => {
  it("accepts a task when its training run can start: waiting does not count against its deadline", () => {
    fc.assert(
      fc.property(
        anyOrders(TRAINING_TIME - MARGIN - TICK),
        fc.integer({ min: 1, max: 4 }),
        (orders, slots) => {
          const { records, acceptedAt, endedAt, busiest } = runQueue(orders, slots);
          expect(busiest).to.be.at.most(slots);
          for (const { id, job } of records) {
            expect(job).to.deep.include({ work: "trained", failure: null });
            expect(endedAt.get(id)! - acceptedAt.get(id)!).to.be.at.most(TRAINING_TIME);
          }
        },
      ),
    );
  });

  it("fails in time a task that takes longer than its deadline allows, and delays no other", () => {
    fc.assert(
      fc.property(anyOrders(3 * TRAINING_TIME), (orders) => {
        const { records, acceptedAt, endedAt } = runQueue(orders, 2);
        for (const [index, { id, job }] of records.entries()) {
          if (orders[index]!.seconds > TRAINING_TIME)
            expect(job.failure?.reason).to.equal("ProviderBusy");
          expect(endedAt.get(id)! - acceptedAt.get(id)!).to.be.at.most(TRAINING_TIME);
        }
      }),
    );
  });
});
