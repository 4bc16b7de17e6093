import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import {
  advance,
  type ChainState,
  hasEnded,
  holdsSlot,
  isChainStep,
  isRefused,
  type Job,
  type JobEvent,
  newJob,
  type Step,
  WORK,
  waitsForSlot,
} from "../../../../provider/machine/machine.ts";
import { TASK_STATES } from "../../../../sdk/taskStates.ts";

const TRAINING_TIME = 1_000;

const chain = (state: ChainState, deadline = 0): JobEvent => ({
  type: "chain",
  state,
  deadline,
  trainingTime: TRAINING_TIME,
});
const MARGIN = 100;
const time = (now: number): JobEvent => ({ type: "time", now, margin: MARGIN });
const slot: JobEvent = { type: "slot" };
const done = (step: Step): JobEvent => ({ type: "done", step });
const refused = (step: Step): JobEvent => ({
  type: "refused",
  step,
  failure: { reason: "DatasetInvalid", message: "no", hint: "fix it" },
});

/** Applies events one by one. @returns the job and every requested effect, in order. */
function play(events: readonly JobEvent[], from: Job = newJob()): { job: Job; effects: Step[] } {
  return events.reduce<{ job: Job; effects: Step[] }>(
    ({ job, effects }, event) => {
      const next = advance(job, event);
      return { job: next.job, effects: [...effects, ...next.effects] };
    },
    { job: from, effects: [] },
  );
}

const UNTIL_ACCEPTED = [
  chain("Created"),
  done("verify"),
  done("fetch"),
  done("count"),
  slot,
  chain("Accepted", 2_000),
  done("accept"),
];
const UNTIL_UPLOADED = [
  ...UNTIL_ACCEPTED,
  done("train"),
  done("package"),
  done("seal"),
  done("upload"),
];
const UNTIL_DELIVERED = [...UNTIL_UPLOADED, chain("Delivered", 3_000), done("deliver")];

describe("job machine", () => {
  it("runs a task from order to settlement, each step once", () => {
    const { job, effects } = play([
      ...UNTIL_DELIVERED,
      chain("Acknowledged", 4_000),
      chain("Revealed", 5_000),
      done("reveal"),
      chain("Settled"),
      done("clean"),
    ]);
    expect(effects).to.deep.equal([
      "verify",
      "fetch",
      "count",
      "accept",
      "train",
      "package",
      "seal",
      "upload",
      "deliver",
      "reveal",
      "clean",
    ]);
    expect(hasEnded(job)).to.equal(true);
  });

  it("does nothing before the task has been read from the chain", () => {
    expect(play([slot, time(10), done("verify")]).effects).to.deep.equal([]);
  });

  it("has the dataset counted before it waits for a slot, and accepts with the slot", () => {
    const { job, effects } = play([chain("Created"), done("verify"), done("fetch"), done("count")]);
    expect(effects).to.deep.equal(["verify", "fetch", "count"]);
    expect(waitsForSlot(job)).to.equal(true);
    expect(advance(job, slot).effects).to.deep.equal(["accept"]);
  });

  it("releases the slot when the training run ends", () => {
    const training = play(UNTIL_ACCEPTED).job;
    expect(holdsSlot(training)).to.equal(true);
    expect(holdsSlot(advance(training, done("train")).job)).to.equal(false);
  });

  for (const step of ["verify", "fetch", "count"] as const)
    it(`refuses an order at ${step} without a transaction, and ends`, () => {
      const done_ = step === "verify" ? [] : step === "fetch" ? ["verify"] : ["verify", "fetch"];
      const before = (done_ as Step[]).map(done);
      const { job, effects } = play([chain("Created"), ...before, refused(step)]);
      expect(effects.at(-1)).to.equal("clean");
      expect(effects.filter(isChainStep)).to.deep.equal([]);
      expect(isRefused(job)).to.equal(true);
      const cleaned = advance(job, done("clean")).job;
      expect(hasEnded(cleaned)).to.equal(true);
      expect(play([chain("Created"), slot, time(5)], cleaned).effects).to.deep.equal([]);
      expect(hasEnded(advance(cleaned, chain("Cancelled")).job)).to.equal(true);
    });

  it("refuses at acceptance a task without disk space, without ever accepting it", () => {
    const { job, effects } = play([...UNTIL_ACCEPTED.slice(0, 5), refused("accept")]);
    expect(effects.at(-1)).to.equal("clean");
    expect(effects).not.to.include("fail");
    expect(holdsSlot(job)).to.equal(false);
  });

  it("fails an accepted task on chain, with its reason", () => {
    const { job, effects } = play([...UNTIL_ACCEPTED, refused("train")]);
    expect(effects.at(-1)).to.equal("fail");
    expect(job.failure?.reason).to.equal("DatasetInvalid");
    expect(play([chain("Failed"), done("fail")], job).effects).to.deep.equal(["clean"]);
  });

  it("reveals to a late user at once, even if cleanup is not done", () => {
    const cleaning = play([...UNTIL_DELIVERED, time(3_001), chain("Lapsed", 9_000), done("lapse")]);
    expect(cleaning.job.pending).to.equal("clean");
    const late = advance(cleaning.job, chain("Acknowledged", 9_500));
    expect(late.effects).to.deep.equal(["reveal"]);
  });

  it("drops the training run when the task has ended, and only then", () => {
    const training = play(UNTIL_ACCEPTED).job;
    expect(training.pending).to.equal("train");
    expect(advance(training, chain("Accepted", 2_000)).job.pending).to.equal("train");
    expect(advance(training, chain("Expired")).effects).to.deep.equal(["clean"]);
  });

  it("never drops a transaction, which ends by itself", () => {
    const accepting = play(UNTIL_ACCEPTED.slice(0, 5)).job;
    const cancelled = advance(accepting, chain("Cancelled"));
    expect(cancelled.effects).to.deep.equal([]);
    expect(cancelled.job.pending).to.equal("accept");
    expect(advance(cancelled.job, done("accept")).effects).to.deep.equal(["clean"]);
  });

  it("keeps a step on chain pending until the chain shows it", () => {
    const accepting = play(UNTIL_ACCEPTED.slice(0, 5)).job;
    const early = advance(accepting, done("accept"));
    expect(early.effects).to.deep.equal([]);
    expect(early.job.pending).to.equal("accept");
  });

  it("fails the task shortly before the training deadline rather than miss it", () => {
    const training = play(UNTIL_ACCEPTED).job;
    expect(advance(training, time(1_899)).effects).to.deep.equal([]);
    const late = advance(training, time(1_901));
    expect(late.effects).to.deep.equal(["fail"]);
    expect(late.job.failure?.reason).to.equal("ProviderBusy");
  });

  it("still delivers within the margin what is already trained", () => {
    const packing = play([...UNTIL_ACCEPTED, done("train")]).job;
    expect(advance(packing, time(1_950)).job.failure).to.equal(null);
  });

  it("stops everything once the training deadline has passed", () => {
    const uploaded = play([...UNTIL_ACCEPTED, done("train")]).job;
    const { job, effects } = advance(uploaded, time(2_001));
    expect(effects).to.deep.equal([]);
    expect(job.pending).to.equal(null);
  });

  it("lapses an unacknowledged delivery after its deadline, not at it", () => {
    const { job } = play(UNTIL_DELIVERED);
    expect(advance(job, time(3_000)).effects).to.deep.equal([]);
    expect(advance(job, time(3_001)).effects).to.deep.equal(["lapse"]);
  });

  it("reveals to a user who acknowledges a lapsed delivery late", () => {
    const lapsed = play([
      ...UNTIL_DELIVERED,
      time(3_001),
      chain("Lapsed", 9_000),
      done("lapse"),
      done("clean"),
    ]).job;
    expect(hasEnded(lapsed)).to.equal(false);
    expect(advance(lapsed, chain("Acknowledged", 9_500)).effects).to.deep.equal(["reveal"]);
    expect(hasEnded(advance(lapsed, time(9_001)).job)).to.equal(true);
  });

  it("finalizes after the dispute period when the user does not confirm", () => {
    const { job } = play([
      ...UNTIL_DELIVERED,
      chain("Acknowledged", 4_000),
      chain("Revealed", 5_000),
      done("reveal"),
    ]);
    expect(advance(job, time(5_000)).effects).to.deep.equal([]);
    expect(advance(job, time(5_001)).effects).to.deep.equal(["finalize"]);
  });

  it("does not try again to reveal after the reveal deadline", () => {
    const { job } = play([...UNTIL_DELIVERED, chain("Acknowledged", 4_000)]);
    expect(job.pending).to.equal("reveal");
    const tooLate = play([time(4_001), done("reveal")], job);
    expect(tooLate.effects).to.deep.equal([]);
    expect(tooLate.job.pending).to.equal(null);
  });

  it("delivers again if a reorganization undid the delivery", () => {
    const { job } = play(UNTIL_DELIVERED);
    expect(advance(job, chain("Accepted", 2_000)).effects).to.deep.equal(["deliver"]);
  });

  it("resumes a task whose end a reorganization undid", () => {
    const failed = play([
      ...UNTIL_ACCEPTED,
      refused("train"),
      chain("Failed"),
      done("fail"),
      done("clean"),
    ]).job;
    expect(hasEnded(failed)).to.equal(true);
    expect(advance(failed, chain("Accepted", 2_000)).effects).to.deep.equal(["fail"]);
  });

  it("cleans up a task whose creation vanished, and resumes it when it is back", () => {
    const vanished = play([...UNTIL_ACCEPTED, chain("None"), done("clean")]);
    expect(vanished.job.pending).to.equal(null);
    const back = play([chain("Accepted", 2_000)], vanished.job);
    expect(back.effects).to.deep.equal(["fetch"]);
  });

  it("continues an accepted task without any earlier work of its own", () => {
    const events = [done("verify"), done("fetch"), done("count"), slot];
    const { effects } = play([chain("Accepted", 2_000), ...events]);
    expect(effects).to.deep.equal(["verify", "fetch", "count", "train"]);
  });
});

const STEPS: readonly Step[] = [
  "verify",
  "fetch",
  "count",
  "train",
  "package",
  "seal",
  "upload",
  "accept",
  "deliver",
  "reveal",
  "finalize",
  "lapse",
  "fail",
  "clean",
];
const STATES: readonly ChainState[] = ["Unread", "None", ...TASK_STATES];

const cancel = (deadline: number): JobEvent => ({
  type: "cancel",
  settlement: { amount: "1", deadline, signature: "0x" },
});

const anyEvent: fc.Arbitrary<JobEvent> = fc.oneof(
  fc.record({
    type: fc.constant("chain" as const),
    state: fc.constantFrom(...STATES),
    deadline: fc.nat(5_000),
    trainingTime: fc.constant(TRAINING_TIME),
  }),
  fc.nat(6_000).map(time),
  fc.constant(slot),
  fc.nat(6_000).map((deadline) => cancel(deadline)),
  fc.constantFrom(...STEPS).map(done),
  fc.constantFrom(...STEPS).map(refused),
);

const ALLOWED_IN: Record<Step, readonly ChainState[]> = {
  verify: ["Created", "Accepted"],
  accept: ["Created"],
  fetch: ["Created", "Accepted"],
  count: ["Created", "Accepted"],
  train: ["Accepted"],
  package: ["Accepted"],
  seal: ["Accepted"],
  upload: ["Accepted"],
  deliver: ["Accepted"],
  answer: ["Demanded"],
  reveal: ["Acknowledged"],
  finalize: ["Revealed"],
  lapse: ["Delivered"],
  settle: ["Accepted"],
  fail: ["Accepted"],
  clean: ["Created", "None", "Settled", "Cancelled", "Failed", "Expired", "Lapsed", "Slashed"],
};

describe("job machine, if a reorganization undoes an end", () => {
  const chain = (state: ChainState): JobEvent => ({
    type: "chain",
    state,
    deadline: 1_000,
    trainingTime: TRAINING_TIME,
  });

  it("cleans up again after a task that came back while its files were being removed", () => {
    const ended = advance({ ...newJob(), work: "trained" }, chain("Expired"));
    expect(ended.effects).to.deep.equal(["clean"]);
    const back = advance(advance(ended.job, chain("Accepted")).job, done("clean"));
    expect(back.job).to.include({ cleaned: false, work: "verified" });
    expect(advance(back.job, chain("Expired")).effects).to.deep.equal(["clean"]);
  });

  it("lets a running task continue if the user's consent was not used in time", () => {
    const running = advance({ ...newJob(), work: "counted", slot: true }, chain("Accepted"));
    expect(running.effects).to.deep.equal(["train"]);
    const stopping = advance(running.job, cancel(500));
    expect(stopping.effects).to.deep.equal(["settle"]);
    const late = advance(stopping.job, time(501)).job;
    expect(advance(late, done("settle")).effects).to.deep.equal(["train"]);
  });
});

describe("job machine, whatever comes in whatever order", () => {
  const histories = fc.array(anyEvent, { maxLength: 60 });

  it("has no second effect if an event comes twice", () => {
    fc.assert(
      fc.property(histories, anyEvent, (history, event) => {
        const first = advance(play(history).job, event);
        const second = advance(first.job, event);
        expect(second.effects).to.deep.equal([]);
        expect(second.job).to.deep.equal(first.job);
      }),
      { numRuns: 2_000 },
    );
  });

  it("requests one step at a time, and only one that the chain's state allows", () => {
    fc.assert(
      fc.property(histories, (history) => {
        let job = newJob();
        for (const event of history) {
          const before = job;
          const next = advance(job, event);
          job = next.job;
          expect(next.effects.length).to.be.at.most(1);
          const [effect] = next.effects;
          if (effect === undefined) continue;
          expect(job.pending).to.equal(effect);
          expect(ALLOWED_IN[effect]).to.include(job.chain);
          // a pending transaction is never abandoned for another step
          if (before.pending && isChainStep(before.pending)) {
            expect(event).to.deep.include({ step: before.pending });
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("delivers only what has been uploaded, and works in order", () => {
    fc.assert(
      fc.property(histories, (history) => {
        let job = newJob();
        for (const event of history) {
          const next = advance(job, event);
          if (next.effects.includes("deliver")) expect(next.job.work).to.equal("uploaded");
          const [before, after] = [WORK.indexOf(job.work), WORK.indexOf(next.job.work)];
          expect(after).to.be.at.most(before + 1);
          job = next.job;
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
