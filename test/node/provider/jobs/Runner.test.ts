import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import pino from "pino";
import { systemClock } from "../../../../provider/clock.ts";
import { ProviderError } from "../../../../provider/errors.ts";
import type { Due } from "../../../../provider/jobs/Agenda.ts";
import { Runner } from "../../../../provider/jobs/Runner.ts";
import { StallWatch } from "../../../../provider/jobs/StallWatch.ts";
import { Metrics } from "../../../../provider/Metrics.ts";
import { type Job, newJob, STEPS, type Step } from "../../../../provider/machine/machine.ts";
import { Readiness } from "../../../../provider/Readiness.ts";
import type { StepContext, StepFunction } from "../../../../provider/steps/parts/StepContext.ts";
import { TaskTimes } from "../../../../provider/steps/parts/TaskTimes.ts";
import { SqliteStore } from "../../../../provider/store/SqliteStore.ts";
import type { JobRecord } from "../../../../provider/store/Store.ts";
import type { Root, TaskId } from "../../../../sdk/ids.ts";
import type { Hyperparameters } from "../../../../sdk/training/Hyperparameters.ts";
import { eventually } from "../daemonProcess.ts";

const log = pino({ level: "silent" });
const ROOT = `0x${"22".repeat(32)}` as Root;
const idOf = (number: number) => `0x${number.toString(16).padStart(32, "0")}` as TaskId;

function record(
  number: number,
  job: Partial<Job>,
  { user = `user ${number}`, config = {} }: { user?: string; config?: Hyperparameters } = {},
) {
  const order = { units: 1n, maxFee: 1n, nonce: 0n, modelHash: ROOT, datasetRoot: ROOT, config };
  return {
    ...{ id: idOf(number), user, fee: 1n, order, blockNumber: number, facts: {} },
    job: { ...newJob(), ...job },
  } as unknown as JobRecord;
}

describe("runner", () => {
  let directory: string;
  let store: SqliteStore;
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "anneal-runner-"));
    store = SqliteStore.open(directory);
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await running;
    store.close();
    rmSync(directory, { recursive: true });
  });

  /** Jobs whose next step is pending, as a restarted daemon finds them. */
  const put = (job: JobRecord) => {
    store.putJob(job);
    store.openEffect(job.id, job.job.pending!);
  };

  /** A real runner with stubs for the steps, on a chain that does not answer. */
  const start = (stubs: Partial<Record<Step, StepFunction>>, clock = systemClock) => {
    const never: StepFunction = (_context, _record, signal) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason)),
      );
    const steps = Object.fromEntries(STEPS.map((step) => [step, stubs[step] ?? never]));
    const client = { serving: {}, provider: {} };
    const submitter = { unblock: async () => undefined };
    const machine = { isBroken: false };
    const registration = { isOperator: true };
    const times = new TaskTimes(0);
    const context = { store, client, submitter, machine, registration, times };
    const runner = new Runner({
      ...{ clock, log, slots: 1, confirmations: 0, readiness: new Readiness() },
      context: context as unknown as StepContext,
      steps: steps as Record<Step, StepFunction>,
      metrics: new Metrics(store),
    });
    running = runner.run(stop.signal);
  };

  it("serves another user's order and a reveal while uploads to a hub for settled tasks hang", async () => {
    const config = { hf_output_repo_name: "a/b" };
    for (let number = 1; number <= 200; number++)
      put(record(number, { chain: "Settled", pending: "clean" }, { config }));
    put(record(500, { chain: "Created", pending: "verify" }));
    put(record(501, { chain: "Acknowledged", pending: "reveal", deadline: 9_999 }));
    const taken: string[] = [];
    let uploads = 0;
    let most = 0;
    const note =
      (step: string): StepFunction =>
      async (_context, { id }) => {
        taken.push(`${step} ${Number(id)}`);
        return {};
      };
    start({
      clean: (_context, _record, signal) => {
        most = Math.max(most, ++uploads);
        return new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason)),
        );
      },
      verify: note("verify"),
      reveal: note("reveal"),
    });
    await eventually("both", () => taken.includes("verify 500") && taken.includes("reveal 501"));
    expect(taken[0]).to.equal("reveal 501");
    expect(most).to.be.at.most(4);
  });

  it("processes one order per user at a time before it accepts", async () => {
    for (let number = 1; number <= 5; number++)
      put(record(number, { chain: "Created", pending: "verify" }, { user: "ann" }));
    let now = 0;
    let most = 0;
    let fetched = 0;
    const step: StepFunction = async () => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 5));
      now--;
      return {};
    };
    const count: StepFunction = async (...args) => {
      fetched++;
      return step(...args);
    };
    start({ verify: step, fetch: step, count });
    await eventually("all five", () => fetched === 5);
    expect(most).to.equal(1);
  });

  it("retries a reveal in time if the machine's clock was set back by an hour", async () => {
    const wallClock = Date.now;
    put(record(1, { chain: "Acknowledged", pending: "reveal" }));
    let tries = 0;
    try {
      start({
        reveal: async () => {
          tries++;
          Date.now = () => wallClock() - 3_600_000;
          throw new ProviderError("The endpoint is away.", { retryable: true, hint: "Wait." });
        },
      });
      for (const limit = performance.now() + 10_000; tries < 2 && performance.now() < limit; )
        await new Promise((resolve) => setTimeout(resolve, 20));
    } finally {
      Date.now = wallClock;
    }
    expect(tries).to.be.at.least(2);
  });
});

describe("detection of a stalled runner", () => {
  const due = (step: Step, since: number, chain: Job["chain"] = "Accepted"): Due => {
    const job = record(1, { chain, pending: step });
    return { effect: { id: job.id, step, failures: 0, strikes: 0 }, record: job, since };
  };
  let now = 0;
  const watchOver = () => {
    now = 0;
    const readiness = new Readiness();
    const clock = { ...systemClock, now: () => now };
    return { readiness, watch: new StallWatch({ clock, log, readiness }) };
  };

  it("names the step and task that waits too long, until it no longer does", () => {
    const { readiness, watch } = watchOver();
    now = 301_000;
    watch.notePass([due("deliver", 0)]);
    watch.check();
    const [reason] = readiness.reasons();
    expect(reason).to.include({ name: "runner" });
    expect(reason!.message).to.match(/^The step deliver of task [\w-]+ is waiting/);
    watch.notePass([]);
    watch.check();
    expect(readiness.reasons()).to.deep.equal([]);
  });

  it("tolerates delayed cleanup, and reports that no job is processed any longer", () => {
    const { readiness, watch } = watchOver();
    now = 301_000;
    watch.notePass([due("clean", 0, "Settled")]);
    watch.check();
    expect(readiness.reasons()).to.deep.equal([]);
    now += 61_000;
    watch.check();
    expect(readiness.reasons().map(({ name }) => name)).to.deep.equal(["runner"]);
  });
});
