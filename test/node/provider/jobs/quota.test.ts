import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { type Clock, systemClock } from "../../../../provider/clock.ts";
import { TaskRefusedError } from "../../../../provider/errors.ts";
import { jobPaths } from "../../../../provider/files/jobPaths.ts";
import { Catalogue, type Model } from "../../../../provider/models/Catalogue.ts";
import { clean } from "../../../../provider/steps/clean.ts";
import type { StepContext } from "../../../../provider/steps/parts/StepContext.ts";
import { train } from "../../../../provider/steps/train.ts";
import type { JobRecord } from "../../../../provider/store/Store.ts";
import type { Trainer, TrainingEnd } from "../../../../provider/training/Trainer.ts";
import type { TaskId } from "../../../../sdk/ids.ts";
import { hideFile } from "../hideFile.ts";

const ID = `0x${"11".repeat(16)}` as TaskId;
const HASH = `0x${"ab".repeat(32)}`;
const MIB = 2 ** 20;
const QUOTA = 4 * MIB;

/** A stub trainer that learns nothing: it writes what it is told to, and then ends, or waits to be stopped. */
class WritingStubTrainer implements Trainer {
  readonly #files: Readonly<Record<string, number>>;
  readonly #waits: boolean;
  /** The reason why it was stopped. */
  stopped: unknown = null;

  constructor(files: Readonly<Record<string, number>>, { waits = false } = {}) {
    this.#files = files;
    this.#waits = waits;
  }

  async train(_: TaskId, job: string, signal: AbortSignal): Promise<TrainingEnd> {
    const directory = join(job, "work");
    for (const [name, bytes] of Object.entries(this.#files)) {
      mkdirSync(join(directory, name, ".."), { recursive: true });
      writeFileSync(join(directory, name), Buffer.alloc(bytes, 1));
      await sleep(20);
    }
    if (this.#waits) await systemClock.sleep(20_000, signal);
    if (!signal.aborted) return { kind: "exit", code: 0 };
    this.stopped = signal.reason;
    return { kind: "killed", signal: "SIGKILL" };
  }

  async countTokens(): Promise<number> {
    return 1;
  }

  async checkMachine(): Promise<null> {
    return null;
  }

  readonly grace = 30_000;
}

/** Checks every few milliseconds. */
const impatient: Clock = {
  now: () => Date.now(),
  sleep: (_, signal) => systemClock.sleep(5, signal),
};

describe("the quota of a job", () => {
  let root: string;
  let paths: ReturnType<typeof jobPaths>;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "anneal-quota-"));
    paths = jobPaths(join(root, "jobs"), ID);
    mkdirSync(join(root, "model"));
    writeFileSync(join(root, "model/config.json"), "{}");
    mkdirSync(paths.data, { recursive: true });
    mkdirSync(paths.work);
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const contextOf = (trainer: Trainer | null, clock: Clock) =>
    ({
      catalogue: new Catalogue(
        [{ name: "tiny", kind: "causal-lm", hash: HASH, directory: join(root, "model") } as Model],
        { maxDatasetBytes: 2 ** 30 },
      ),
      jobsDirectory: join(root, "jobs"),
      trainer,
      maxJobBytes: QUOTA,
      clock,
    }) as unknown as StepContext;
  const record = {
    id: ID,
    order: { modelHash: HASH, config: {} },
    facts: { train: "data/train.jsonl", validation: null },
    job: { chain: "Failed" },
  } as unknown as JobRecord;
  const never = new AbortController().signal;
  const run = (trainer: Trainer, clock = impatient, signal = never) =>
    train(contextOf(trainer, clock), record, signal, 0).then(
      () => null,
      (error: unknown) => error,
    );
  const expectRefused = (error: unknown) => {
    expect(error).to.be.instanceOf(TaskRefusedError).and.to.include({ reason: "ConfigInvalid" });
    const { message, hint } = error as TaskRefusedError;
    expect(message).to.equal(
      "The training wrote more than the 4194304 bytes of disk that this provider allows per task.",
    );
    expect(hint).to.match(/fewer checkpoints.*the fee was returned\.$/);
  };

  it("is released for files that a training run hid behind too long a path", async () => {
    mkdirSync(join(paths.work, "out"), { recursive: true });
    hideFile(join(paths.work, "out"), MIB);
    await clean(contextOf(null, impatient), record, never, 0);
    expect(readdirSync(paths.directory)).to.deep.equal([]);
  });

  it("stops a training run whose files together exceed it, and keeps nothing but its log", async () => {
    writeFileSync(join(paths.work, "events.jsonl"), '{"seq":1,"type":"warning","message":"x"}\n');
    const checkpoints = [1, 2, 3, 4, 5].map((step) => [`checkpoints/step-${step}/model`, MIB]);
    const stub = new WritingStubTrainer(Object.fromEntries(checkpoints), { waits: true });
    expectRefused(await run(stub));
    expect(stub.stopped).to.be.instanceOf(TaskRefusedError);
    await clean(contextOf(null, impatient), record, never, 0);
    expect(readdirSync(paths.directory)).to.deep.equal(["events.jsonl"]);
  });

  it("lets a training run succeed that uses slightly less", async () => {
    const stub = new WritingStubTrainer({
      "checkpoints/step-1/model": 2 * MIB,
      "out/model": 2 * MIB - 65_536,
    });
    expect(await run(stub)).to.equal(null);
  });

  it("does not count inputs, nor the targets of links", async () => {
    writeFileSync(join(paths.data, "train.jsonl"), Buffer.alloc(2 * QUOTA, 1));
    writeFileSync(join(root, "model/model.safetensors"), Buffer.alloc(2 * QUOTA, 1));
    mkdirSync(join(paths.work, "out"), { recursive: true });
    symlinkSync(join(paths.data, "train.jsonl"), join(paths.work, "out", "link"));
    expect(await run(new WritingStubTrainer({ "out/model": MIB }))).to.equal(null);
  });

  it("counts files that a training run names like an input", async () => {
    expectRefused(await run(new WritingStubTrainer({ "start/model": 5 * MIB }, { waits: true })));
  });

  it("is checked once more at the end: what a short training run wrote counts too", async () => {
    expectRefused(await run(new WritingStubTrainer({ "out/model": 5 * MIB }), systemClock));
  });

  it("stops a training run after a restart that exceeded it while no daemon was running", async () => {
    const stop = new AbortController();
    const first = new WritingStubTrainer({ "out/model": MIB }, { waits: true });
    const stopped = run(first, impatient, stop.signal);
    await sleep(50);
    stop.abort();
    expect(await stopped).to.include({ name: "AbortError" });
    writeFileSync(join(paths.directory, "trainer.log"), Buffer.alloc(QUOTA, 1));

    const second = new WritingStubTrainer({}, { waits: true });
    expectRefused(await run(second, systemClock));
    expect(second.stopped).to.be.instanceOf(TaskRefusedError);
  });

  it("is not reported as exceeded if a training run is stopped for another reason", async () => {
    const stop = new AbortController();
    const stub = new WritingStubTrainer({ "out/model": MIB }, { waits: true });
    const stopped = run(stub, impatient, stop.signal);
    await sleep(50);
    stop.abort();
    await stopped;
    expect(stub.stopped).not.to.be.instanceOf(TaskRefusedError);
    expect(existsSync(join(paths.work, "out", "model"))).to.equal(true);
  });

  it("keeps no log that is larger than any honest one", async () => {
    execFileSync("fallocate", ["--length", `${257 * MIB}`, paths.events]);
    writeFileSync(paths.result, "{}");
    await clean(contextOf(null, impatient), record, never, 0);
    expect(readdirSync(paths.directory)).to.deep.equal([]);
  });
});
