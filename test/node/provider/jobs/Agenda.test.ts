import { expect } from "chai";
import fc from "fast-check";
import { afterEach, describe, it } from "mocha";
import { backoff, systemClock } from "../../../../provider/clock.ts";
import { Agenda } from "../../../../provider/jobs/Agenda.ts";
import { LANES, type Lane, LaneUsage, laneOf } from "../../../../provider/jobs/lanes.ts";
import { type Job, newJob, STEPS, type Step } from "../../../../provider/machine/machine.ts";
import type { Effect, JobRecord } from "../../../../provider/store/Store.ts";
import type { TaskId } from "../../../../sdk/ids.ts";
import type { Hyperparameters } from "../../../../sdk/training/Hyperparameters.ts";

const ID = "0x01" as TaskId;

function record(id: string, job: Partial<Job>, config: Hyperparameters = {}): JobRecord {
  const rest = { id, user: "ann", fee: 1n, order: { config } };
  return { ...rest, job: { ...newJob(), ...job } } as unknown as JobRecord;
}

/** An agenda of these open steps, of jobs with these deadlines. */
function agendaOf(effects: readonly Effect[], jobs: Record<string, Partial<Job>> = {}) {
  return new Agenda({
    openEffects: () => effects,
    job: (id) => record(id, jobs[id] ?? {}),
  });
}

const effect = (step: Step, failures = 0, id = ID): Effect => ({ id, step, failures, strikes: 0 });
const stepsOf = (due: ReturnType<Agenda["due"]>) => due.map(({ effect: { step } }) => step);

describe("agenda", () => {
  const wallClock = Date.now;
  afterEach(() => {
    Date.now = wallClock;
  });

  it("runs what costs most when late first, however many others are due", () => {
    const others = Array.from({ length: 500 }, (_, n) => effect("clean", 0, `0x${n}` as TaskId));
    const wanted: Step[] = ["verify", "train", "accept", "lapse", "finalize", "deliver", "reveal"];
    const urgent = wanted.map((step, n) => effect(step, 0, `0xf${n}` as TaskId));
    const due = stepsOf(agendaOf([...others, ...urgent]).due(0));
    expect(due.slice(0, wanted.length)).to.deep.equal(wanted.toReversed());
  });

  it("runs of equal steps the one with the nearest deadline", () => {
    const jobs = { a: { deadline: 900 }, b: { deadline: 500 }, c: { deadline: 0 } };
    const effects = ["c", "a", "b"].map((id) => effect("reveal", 0, id as TaskId));
    const due = agendaOf(effects, jobs).due(0);
    expect(due.map(({ record: { id } }) => id)).to.deep.equal(["b", "a", "c"]);
  });

  it("gives no order a better place for the time until which its user lets it be accepted", () => {
    const jobs = {
      a: { chain: "Created", deadline: 900 },
      b: { chain: "Created", deadline: 500 },
    } as const;
    const effects = ["a", "b"].map((id) => effect("accept", 0, id as TaskId));
    const due = agendaOf(effects, jobs).due(0);
    expect(due.map(({ record: { id } }) => id)).to.deep.equal(["a", "b"]);
  });

  it("delays a failed step according to its failures, and again after a restart", () => {
    const effects = [effect("reveal", 3)];
    for (const agenda of [agendaOf(effects), agendaOf(effects)]) {
      expect(agenda.due(1_000)).to.deep.equal([]);
      expect(agenda.nextAfter(1_000)).to.equal(1_000 + backoff(3));
      expect(agenda.due(1_000 + backoff(3) - 1)).to.deep.equal([]);
      expect(stepsOf(agenda.due(1_000 + backoff(3)))).to.deep.equal(["reveal"]);
    }
  });

  it("retries in time if the machine's clock is set back and forth", () => {
    const jumps = fc.array(fc.integer({ min: -(10 ** 10), max: 10 ** 10 }), { maxLength: 20 });
    fc.assert(
      fc.property(jumps, fc.integer({ min: 1, max: 20 }), (sequence, failures) => {
        const agenda = agendaOf([effect("reveal", failures)]);
        const start = systemClock.now();
        agenda.due(start);
        let last = start;
        for (const jump of sequence) {
          Date.now = () => wallClock() + jump;
          const now = systemClock.now();
          expect(now).to.be.at.least(last);
          expect(now - start).to.be.at.most(60_000);
          last = now;
        }
        expect(agenda.nextAfter(last) - start).to.be.at.most(backoff(failures));
        expect(agenda.due(last + backoff(failures))).to.have.length(1);
      }),
    );
  });
});

describe("lanes", () => {
  const settled = (config: Hyperparameters) => record("0x01", { chain: "Settled" }, config);

  it("let no work that is free for strangers take a slot that open tasks need", () => {
    const accepted = record("0x01", { chain: "Accepted" });
    const created = record("0x01", { chain: "Created" });
    const needed = new Set(
      STEPS.filter((step) => step !== "clean").map((s) => laneOf(s, accepted)),
    );
    const others: Lane[] = [
      ...(["verify", "fetch", "count"] as const).map((step) => laneOf(step, created)),
      laneOf("clean", settled({})),
      laneOf("clean", settled({ hf_output_repo_name: "a/b" })),
    ];
    for (const lane of others) expect([...needed]).not.to.include(lane);
  });

  it("make uploads to a hub wait for each other, and nothing wait for them", () => {
    const lane = laneOf("clean", settled({ hf_output_repo_name: "a/b" }));
    expect(lane).to.equal("publish");
    expect(laneOf("clean", settled({}))).to.equal("clean");
    const use = new LaneUsage();
    use.enter(lane, "ann");
    expect(use.mayEnter(lane, "ann")).to.equal(false);
    for (let user = 1; user < LANES[lane].all; user++) use.enter(lane, `user ${user}`);
    expect(use.mayEnter(lane, "bob")).to.equal(false);
    use.leave(lane, "ann");
    expect(use.mayEnter(lane, "bob")).to.equal(true);
  });

  it("never make a reveal wait", () => {
    const use = new LaneUsage();
    for (let count = 0; count < 1_000; count++) use.enter("reveal", "ann");
    expect(
      use.mayEnter(laneOf("reveal", record("0x01", { chain: "Acknowledged" })), "ann"),
    ).to.equal(true);
  });
});
