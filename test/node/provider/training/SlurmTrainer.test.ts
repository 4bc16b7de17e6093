import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import pino from "pino";
import { systemClock } from "../../../../provider/clock.ts";
import { TaskRefusedError } from "../../../../provider/errors.ts";
import {
  findByArguments,
  type ProcessIdentity,
} from "../../../../provider/processes/processTable.ts";
import { endOf, SlurmTrainer } from "../../../../provider/training/SlurmTrainer.ts";
import { EXIT } from "../../../../provider/training/Trainer.ts";
import { trainerArguments } from "../../../../provider/training/trainerCommand.ts";
import { skip } from "../../../helpers/skip.ts";
import { missingForSlurm, SlurmCluster } from "../../../helpers/slurmCluster.ts";
import { eventually } from "../daemonProcess.ts";
import {
  ENVIRONMENT,
  eventsOf,
  ID,
  PACKAGE,
  PYTHON,
  TrainingFolder,
  weightsOf,
} from "./trainingJob.ts";

describe("a Slurm job that has ended", () => {
  const ends: [string, object, object][] = [
    ["COMPLETED", {}, { kind: "exit", code: EXIT.done }],
    ["FAILED", { exitCode: 3 }, { kind: "exit", code: EXIT.badData }],
    ["FAILED", { signal: 9 }, { kind: "killed", signal: "signal 9" }],
    ["OUT_OF_MEMORY", {}, { kind: "exit", code: EXIT.outOfMemory }],
    ["CANCELLED", {}, { kind: "killed", signal: "CANCELLED" }],
    // A fault of the cluster does not count as a failure of the training run.
    ["TIMEOUT", { exitCode: 75 }, { kind: "exit", code: EXIT.stopped }],
    ["PREEMPTED", { signal: 15 }, { kind: "exit", code: EXIT.stopped }],
    ["NODE_FAIL", {}, { kind: "exit", code: EXIT.stopped }],
  ];
  for (const [state, how, end] of ends) {
    it(`as ${state} ${JSON.stringify(how)} counts as ${JSON.stringify(end)}`, () => {
      expect(endOf({ state, exitCode: 0, signal: 0, ...how })).to.deep.equal(end);
    });
  }
});

describe("SlurmTrainer", () => {
  let cluster: SlurmCluster | undefined;
  let folder: TrainingFolder | undefined;

  before(async function () {
    const missing = missingForSlurm();
    if (missing) {
      skip(this, `no Slurm to run jobs on: ${missing}.`);
    }
    folder = new TrainingFolder();
    cluster = await SlurmCluster.start();
  });
  after(async () => {
    await cluster?.stop();
    folder?.remove();
  });

  const trainer = (
    submitOptions: readonly string[] = ["--cpus-per-task=1"],
    { python = PYTHON, environment = ENVIRONMENT } = {},
  ) =>
    new SlurmTrainer({
      program: {
        python,
        packageDirectory: PACKAGE,
        environment,
        sandbox: null,
        counting: { memoryBytes: 2 ** 32, seconds: 60 },
      },
      submitOptions,
      clock: systemClock,
      log: pino({ level: "silent" }),
    });
  const never = new AbortController().signal;
  const jobs = () =>
    execFileSync("squeue", ["--noheader", "--format=%i"], { encoding: "utf8" }).trim();
  const reached = (job: string, step: number) =>
    eventually(`step ${step}`, () => eventsOf(job).some((event) => event.step === step));

  it("trains on the cluster, and an interrupted training run ends with the same weights", async () => {
    // It takes a while until the cluster signals a job.
    const long = { epochs: 20, rows: 32 };
    const whole = folder!.job("whole", long);
    expect(await trainer().train(ID, whole, never)).to.deep.equal({ kind: "exit", code: 0 });

    const parts = folder!.job("parts", long);
    const stop = new AbortController();
    const first = trainer().train(ID, parts, stop.signal);
    await reached(parts, 3);
    stop.abort();
    expect(await first).to.deep.equal({ kind: "exit", code: 75 });
    expect(jobs()).to.equal("");

    expect(await trainer().train(ID, parts, never)).to.deep.equal({ kind: "exit", code: 0 });
    const resumed = eventsOf(parts).filter(({ type }) => type === "started");
    expect(resumed).to.have.length(2);
    expect(weightsOf(parts)).to.equal(weightsOf(whole));
  });

  it("follows the job of a daemon that died instead of starting a second one", async () => {
    const job = folder!.job("adopted", { epochs: 4 });
    void trainer().train(ID, job, never); // its daemon dies: nobody waits for this one
    await reached(job, 1);
    expect(await trainer().train(ID, job, never)).to.deep.equal({ kind: "exit", code: 0 });
    expect(eventsOf(job).filter(({ type }) => type === "started")).to.have.length(1);
  });

  it("kills a refused training run, including that of a daemon that died", async () => {
    const job = folder!.job("refused-while-training", { epochs: 20 });
    void trainer().train(ID, job, never);
    await reached(job, 1);
    const stop = new AbortController();
    stop.abort(new TaskRefusedError("ConfigInvalid", "Too much.", "Write less."));
    expect(await trainer().train(ID, job, stop.signal)).to.include({ kind: "killed" });
    expect(jobs()).to.equal("");
    expect(eventsOf(job).filter(({ type }) => type === "started")).to.have.length(1);
  });

  it("keeps the GPUs that the cluster assigned to a training run", async () => {
    const job = folder!.job("with-card", { epochs: 20 });
    const stop = new AbortController();
    const training = trainer(["--export=CUDA_VISIBLE_DEVICES=7"]).train(ID, job, stop.signal);
    await reached(job, 1);
    const [{ pid }] = findByArguments(trainerArguments(job)) as [ProcessIdentity];
    const variables = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    stop.abort();
    await training;
    expect(variables).to.include("CUDA_VISIBLE_DEVICES=7");
  });

  it("trains one job on two devices of a node", async () => {
    const job = folder!.job("two-devices", { devices: 2 });
    expect(await trainer().train(ID, job, never)).to.deep.equal({ kind: "exit", code: 0 });
    const receipt = JSON.parse(readFileSync(join(job, "work/out/receipt.json"), "utf8"));
    expect(receipt.environment.ranks).to.equal(2);
  });

  it("finds an interpreter by its name", async () => {
    const job = folder!.job("by-name", { epochs: 1 });
    const environment = { ...ENVIRONMENT, PATH: `${dirname(PYTHON)}:${ENVIRONMENT.PATH}` };
    const named = trainer([], { python: "python", environment });
    expect(await named.train(ID, job, never)).to.deep.equal({ kind: "exit", code: 0 });
  });

  it("reports the trainer's own exit code", async () => {
    const job = folder!.job("bad");
    rmSync(join(job, "data/train.jsonl"));
    expect(await trainer().train(ID, job, never)).to.deep.equal({ kind: "exit", code: 2 });
  });

  it("removes a pending job from the queue at once", async () => {
    const job = folder!.job("waiting");
    const stop = new AbortController();
    const training = trainer(["--begin=now+1hour"]).train(ID, job, stop.signal);
    await eventually("a waiting job", () => jobs() !== "");
    stop.abort();
    expect(await training).to.deep.equal({ kind: "killed", signal: "CANCELLED" });
    expect(eventsOf(job)).to.deep.equal([]);
  });

  it("checks that the cluster takes jobs with the submit options, without starting one", async () => {
    expect(await trainer().checkMachine(never)).to.equal(null);
    expect(jobs()).to.equal("");
    const nowhere = trainer(["--partition=nowhere"]).checkMachine(never);
    const error = await nowhere.catch((error: Error) => error);
    expect((error as Error).message).to.match(/sbatch failed: .*partition/i);
  });

  it("reports the message of sbatch if the cluster refuses", async () => {
    const job = folder!.job("refused");
    const refused = await trainer(["--partition=nowhere"])
      .train(ID, job, never)
      .catch((error: Error) => error);
    expect(refused).to.be.instanceOf(Error);
    expect((refused as Error).message).to.match(/sbatch failed: .*partition/i);
  });
});
