import { expect } from "chai";
import { describe, it } from "mocha";
import {
  type NextStep,
  type Standing,
  type StandingTask,
  standingOf,
} from "../../../../sdk/task/standing.ts";
import { TASK_STATES, type TaskState } from "../../../../sdk/taskStates.ts";

const DEADLINE = 1_800_000_000;
const FEE = 10n ** 18n;

/** A task with a fee of 1 OG, a bond of 1.5 OG, and a share of 0.3 OG if nobody acknowledges. */
const task = (state: TaskState, changed: Partial<StandingTask> = {}): StandingTask => ({
  state,
  deadline: DEADLINE,
  fee: FEE,
  rebate: 0n,
  paid: 0n,
  bondBps: 15_000,
  unacknowledgedBps: 3_000,
  size: 1,
  ...changed,
});

const inTime = (state: TaskState, changed?: Partial<StandingTask>) =>
  standingOf(task(state, changed), DEADLINE);
const late = (state: TaskState, changed?: Partial<StandingTask>) =>
  standingOf(task(state, changed), DEADLINE + 1);

describe("standing of a task", () => {
  it("names every state, in time and late, in one word, with what comes next", () => {
    const words: Record<string, [Standing["progress"], NextStep]> = {
      Created: ["Init", "wait"],
      "Created, late": ["Failed", "claim"],
      Accepted: ["SettingUp", "wait"],
      "Accepted, late": ["Failed", "claim"],
      Delivered: ["Delivered", "acknowledge"],
      "Delivered, late": ["Delivered", "acknowledge"],
      Demanded: ["Delivered", "wait"],
      "Demanded, late": ["Failed", "claim"],
      Acknowledged: ["UserAcknowledged", "wait-for-key"],
      "Acknowledged, late": ["Failed", "claim"],
      Revealed: ["Finished", "decrypt"],
      "Revealed, late": ["Finished", "decrypt"],
      Settled: ["Finished", "decrypt"],
      Cancelled: ["Failed", null],
      Failed: ["Failed", "read-log"],
      Expired: ["Failed", "read-log"],
      Lapsed: ["Delivered", "acknowledge"],
      "Lapsed, late": ["Failed", null],
      Slashed: ["Failed", "read-log"],
    };
    const withDeadline = new Set([
      "Created",
      "Accepted",
      "Delivered",
      "Demanded",
      "Acknowledged",
      "Revealed",
      "Lapsed",
    ]);
    const seen = TASK_STATES.flatMap((state) => {
      const deadline = withDeadline.has(state) ? DEADLINE : 0;
      const both = [
        [state, inTime(state, { deadline })],
        [`${state}, late`, late(state, { deadline })],
      ] as const;
      return deadline === 0 ? both.slice(0, 1) : both;
    });
    expect(
      Object.fromEntries(seen.map(([name, { progress, next }]) => [name, [progress, next]])),
    ).to.deep.equal(words);
  });

  it("is failed if and only if no model can come, with a sentence for each case", () => {
    for (const state of TASK_STATES) {
      for (const size of [0, 1]) {
        for (const standing of [inTime(state, { size }), late(state, { size })]) {
          expect(standing.failure === null, state).to.equal(standing.progress !== "Failed");
          expect(standing.meaning, state).to.match(/^[A-Z].*\.$/);
        }
      }
    }
  });

  it("treats a task that its user stopped as one without a model", () => {
    const stopped = inTime("Settled", { size: 0, paid: FEE / 4n });
    expect(stopped).to.include({ progress: "Failed", failure: "declined", next: null });
    expect(stopped.meaning).to.contain("0.25 OG");
  });

  it("says what a missed deadline pays: fee and a quarter of the bond, or half of it", () => {
    const training = late("Accepted").meaning;
    expect(training).to.contain("deliver the model by 2027-01-15T08:00:00.000Z");
    expect(training).to.contain("1 OG of the fee");
    expect(training).to.contain("0.375 OG of the provider's bond");
    const key = late("Acknowledged").meaning;
    expect(key).to.contain("publish the key by").and.contain("0.75 OG of the");
  });

  it("returns the whole fee of an order that nobody accepted in time", () => {
    const { meaning, failure } = late("Created");
    expect(meaning).to.contain("did not accept it by 2027-01-15T08:00:00.000Z");
    expect(meaning).to.contain("1 OG of the fee").and.not.contain("bond");
    expect(failure).to.equal("declined");
  });

  it("promises nothing that was paid already, and no bond behind a late acknowledgement", () => {
    const { meaning } = late("Acknowledged", { paid: (FEE * 3n) / 10n, bondBps: 0 });
    expect(meaning).to.contain("0.7 OG of the fee");
    expect(meaning).to.contain("0 OG of the provider's bond");
  });

  it("says what it costs to acknowledge late, before and after", () => {
    expect(inTime("Delivered").meaning).to.contain("0.3 OG of the fee are lost");
    const lapsed = inTime("Lapsed", { paid: (FEE * 3n) / 10n });
    expect(lapsed.meaning).to.contain("for the other 0.7 OG");
  });

  it("counts the deadline itself as in time, as the contract does", () => {
    expect(inTime("Accepted").failure).to.equal(null);
    expect(late("Accepted").failure).to.equal("task-failed-by-provider");
  });
});
