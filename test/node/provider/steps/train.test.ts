import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { systemClock } from "../../../../provider/clock.ts";
import { type ProviderError, TaskRefusedError } from "../../../../provider/errors.ts";
import { Catalogue, type Model } from "../../../../provider/models/Catalogue.ts";
import type { StepContext } from "../../../../provider/steps/parts/StepContext.ts";
import { train } from "../../../../provider/steps/train.ts";
import type { JobRecord } from "../../../../provider/store/Store.ts";
import type { TrainingEnd } from "../../../../provider/training/Trainer.ts";
import { formatTaskId, type TaskId } from "../../../../sdk/ids.ts";
import type { Hyperparameters } from "../../../../sdk/training/Hyperparameters.ts";

const ID = `0x${"11".repeat(16)}` as TaskId;
const HASH = `0x${"ab".repeat(32)}`;

describe("train", () => {
  let root: string;
  let end: TrainingEnd;
  let isHealthy: boolean;
  /** Called when the trainer runs. */
  let trains: () => undefined;

  beforeEach(() => {
    isHealthy = true;
    trains = () => undefined;
    root = mkdtempSync(join(tmpdir(), "anneal-train-"));
    mkdirSync(join(root, "model"));
    mkdirSync(join(root, "jobs", formatTaskId(ID), "work"), { recursive: true });
    for (const name of ["config.json", "anneal.json"])
      writeFileSync(join(root, "model", name), "{}");
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const jobFile = (name: string) => join(root, "jobs", formatTaskId(ID), name);
  const run = (failures = 0, config: Hyperparameters | null = { n_epochs: 2 }) => {
    const model = {
      name: "tiny",
      kind: "causal-lm",
      hash: HASH,
      directory: join(root, "model"),
    } as Model;
    const context = {
      catalogue: new Catalogue([model], { maxDatasetBytes: 2 ** 30 }),
      jobsDirectory: join(root, "jobs"),
      trainer: { train: async () => trains() ?? end },
      machine: { isHealthy: async () => isHealthy },
      maxJobBytes: 2 ** 20,
      clock: systemClock,
    } as unknown as StepContext;
    const record = {
      id: ID,
      order: { modelHash: HASH, config },
      facts: { train: "data/train.jsonl", validation: null },
    } as unknown as JobRecord;
    return train(context, record, new AbortController().signal, failures);
  };
  const failure = (failures?: number) =>
    run(failures).then(
      () => expect.fail("did not fail"),
      (error: ProviderError) => error,
    );

  it("passes the ordered job to the trainer, and the model without the provider's manifest", async () => {
    end = { kind: "exit", code: 0 };
    await run();
    expect(JSON.parse(readFileSync(jobFile("job.json"), "utf8"))).to.deep.equal({
      version: 1,
      task_id: formatTaskId(ID),
      kind: "causal-lm",
      model_name: "tiny",
      train: "data/train.jsonl",
      validation: null,
      hyperparameters: { n_epochs: 2 },
    });
    expect(readFileSync(jobFile("model/config.json"), "utf8")).to.equal("{}");
    expect(() => readFileSync(jobFile("model/anneal.json"))).to.throw("ENOENT");
  });

  it("remembers how far the training got, if the trainer says so in numbers", async () => {
    end = { kind: "exit", code: 0 };
    const results = [
      ['{"steps": 7, "total_steps": 20}', { done: { steps: 7, totalSteps: 20 } }],
      ['{"steps": 0, "total_steps": 20}', {}],
      ['{"steps": "7"}', {}],
    ] as const;
    for (const [text, facts] of results) {
      writeFileSync(jobFile("work/result.json"), text);
      expect(await run()).to.deep.equal(facts);
    }
  });

  for (const [code, reason] of [
    [2, "ConfigInvalid"],
    [3, "DatasetInvalid"],
    [4, "OutOfMemory"],
  ] as const) {
    it(`fails the task with ${reason} on exit code ${code}, in the trainer's words`, async () => {
      end = { kind: "exit", code };
      writeFileSync(
        jobFile("work/result.json"),
        JSON.stringify({ message: "What.", hint: "How." }),
      );
      const error = await failure();
      expect(error).to.be.instanceOf(TaskRefusedError);
      expect(error).to.include({ reason, message: "What.", hint: "How." });
    });
  }

  it("retries a training run that died, and gives up after the third time", async () => {
    for (const died of [
      { kind: "killed", signal: "SIGKILL" },
      { kind: "exit", code: 1 },
    ] as const) {
      end = died;
      expect(await failure(0)).to.include({ retryable: true });
      expect(await failure(1)).to.include({ retryable: true });
      expect(await failure(2)).to.include({ reason: "TrainingError" });
    }
  });

  it("counts only deaths without a new checkpoint in between", async () => {
    end = { kind: "exit", code: 1 };
    trains = () => {
      mkdirSync(jobFile("work/recovery/step-5"), { recursive: true });
      writeFileSync(jobFile("work/recovery/step-5/COMPLETE"), "");
    };
    expect(await failure(7)).to.include({ retryable: true, strikes: 1 });
    expect(await failure(1)).to.include({ retryable: true, strikes: 2 });
    expect(await failure(2)).to.include({ reason: "TrainingError" });
  });

  it("fails no task while trainers die whatever they train", async () => {
    end = { kind: "exit", code: 1 };
    isHealthy = false;
    const error = await failure(2);
    expect(error).not.to.be.instanceOf(TaskRefusedError);
    expect(error).to.include({ retryable: true, strikes: 2 });
    isHealthy = true;
    expect(await failure(2)).to.include({ reason: "TrainingError" });
  });

  it("does not count it as a failure of the task if the trainer was stopped from outside", async () => {
    end = { kind: "exit", code: 75 };
    expect(await failure(2)).to.include({ retryable: true, strikes: null });
  });

  it("retries temporary failures, a full disk for example, however often they occur", async () => {
    end = { kind: "exit", code: 1 };
    const result = { message: "The disk is full.", hint: "Make room.", retryable: true };
    writeFileSync(jobFile("work/result.json"), JSON.stringify(result));
    expect(await failure(9)).to.include({ retryable: true, message: "The disk is full." });
  });

  it("resumes a training run that was stopped, however often", async () => {
    end = { kind: "exit", code: 75 };
    expect(await failure(9)).to.include({ retryable: true });
  });

  it("refuses an order without valid hyper-parameters", async () => {
    end = { kind: "exit", code: 0 };
    await run(0, null).then(
      () => expect.fail("accepted"),
      (error) => expect(error).to.include({ reason: "ConfigInvalid" }),
    );
  });
});
