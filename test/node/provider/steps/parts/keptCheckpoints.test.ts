import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { TaskRefusedError } from "../../../../../provider/errors.ts";
import { Catalogue, type Model } from "../../../../../provider/models/Catalogue.ts";
import { clean } from "../../../../../provider/steps/clean.ts";
import {
  findCheckpoint,
  keepCheckpoints,
} from "../../../../../provider/steps/parts/keptCheckpoints.ts";
import type { StepContext } from "../../../../../provider/steps/parts/StepContext.ts";
import type { JobRecord } from "../../../../../provider/store/Store.ts";
import { formatTaskId, type TaskId } from "../../../../../sdk/ids.ts";

const HASH = `0x${"ab".repeat(32)}`;
const ANN = `0x${"Aa".repeat(20)}`;
const BOB = `0x${"bb".repeat(20)}`;
const idOf = (n: number) => `0x${n.toString(16).padStart(32, "0")}` as TaskId;

describe("kept checkpoints", () => {
  let root: string;
  let limits: { days: number; tasks: number };
  let openJobs: readonly JobRecord[];

  beforeEach(() => {
    openJobs = [];
    root = mkdtempSync(join(tmpdir(), "anneal-kept-"));
    limits = { days: 30, tasks: 10 };
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const context = () =>
    ({
      catalogue: new Catalogue([{ name: "tiny", kind: "causal-lm", hash: HASH } as Model], {
        maxDatasetBytes: 2 ** 30,
      }),
      jobsDirectory: join(root, "jobs"),
      checkpoints: { directory: join(root, "kept"), ...limits },
      maxJobBytes: 2 ** 20,
      store: { openJobs: () => openJobs },
    }) as unknown as StepContext;
  const recordOf = (n: number, changes: { user?: string; chain?: string; suffix?: string } = {}) =>
    ({
      id: idOf(n),
      user: changes.user ?? ANN,
      order: {
        modelHash: HASH,
        config: changes.suffix ? { suffix: changes.suffix } : {},
      },
      job: { chain: changes.chain ?? "Settled" },
    }) as unknown as JobRecord;
  const jobOf = (record: JobRecord) => join(root, "jobs", formatTaskId(record.id));
  /** The checkpoints that a finished training run leaves. */
  const train = (record: JobRecord, steps: readonly number[]) => {
    for (const step of steps) {
      const folder = join(jobOf(record), "work/checkpoints", `step-${step}`);
      mkdirSync(folder, { recursive: true });
      for (const name of ["model.safetensors", "config.json", "training.safetensors", "COMPLETE"])
        writeFileSync(join(folder, name), `${name} of step ${step}`);
    }
    return record;
  };
  const keep = (record: JobRecord) =>
    keepCheckpoints(context(), record, new AbortController().signal);
  const find = (reference: string, order = recordOf(99)) =>
    findCheckpoint(context(), order, reference);
  const refusal = (reference: string, order?: JobRecord) =>
    find(reference, order).then(
      () => expect.fail("was found"),
      (error: TaskRefusedError) => error,
    );

  it("are the weights of a settled task, without the files that only a restart needs", async () => {
    const record = train(recordOf(1), [4, 12]);
    await clean(context(), record, new AbortController().signal, 0);
    expect(existsSync(join(jobOf(record), "work/checkpoints"))).to.equal(false);
    const path = await find(`${formatTaskId(idOf(1))}:4`);
    expect(readdirSync(path).sort()).to.deep.equal(["config.json", "model.safetensors"]);
    expect(readFileSync(join(path, "model.safetensors"), "utf8")).to.include("step 4");
  });

  it("are not kept for a task that was not settled", async () => {
    const record = train(recordOf(1, { chain: "Lapsed" }), [4]);
    await clean(context(), record, new AbortController().signal, 0);
    expect((await refusal(formatTaskId(idOf(1)))).reason).to.equal("ConfigInvalid");
  });

  it("do not include an incomplete checkpoint", async () => {
    const record = train(recordOf(1), [4, 8]);
    rmSync(join(jobOf(record), "work/checkpoints/step-8/COMPLETE"));
    await keep(record);
    expect(await find(formatTaskId(idOf(1)))).to.match(/step-4$/);
  });

  it("are found by task or by the tuned model's name; without a step, the last one", async () => {
    await keep(train(recordOf(1, { suffix: "sums" }), [9, 10]));
    await keep(train(recordOf(2, { suffix: "sums" }), [3]));
    expect(await find(formatTaskId(idOf(1)))).to.match(/step-10$/);
    expect(await find("tiny-sums")).to.equal(join(root, "kept", formatTaskId(idOf(2)), "step-3"));
    const missing = await refusal(`${formatTaskId(idOf(1))}:7`);
    expect(missing.message).to.match(/no checkpoint of step 7/);
    expect(missing.hint).to.equal("Use one of 9, 10.");
  });

  it("of another user look as if they did not exist", async () => {
    await keep(train(recordOf(1, { user: BOB, suffix: "bobs" }), [4]));
    const uuid = formatTaskId(idOf(1));
    for (const name of [uuid, "tiny-bobs"]) {
      const theirs = await refusal(name);
      const none = await refusal("nothing");
      expect(theirs.message).to.equal(none.message.replace("nothing", name));
      expect(theirs.hint).to.equal(none.hint);
    }
    expect(
      await find(uuid, recordOf(3, { user: BOB.toUpperCase().replace("0X", "0x") })),
    ).to.include(uuid);
  });

  it("of a task that was settled a moment ago are waited for, by its name too", async () => {
    await keep(train(recordOf(1, { suffix: "sums" }), [4]));
    openJobs = [train(recordOf(2, { suffix: "sums" }), [3]), recordOf(3, { user: BOB })];
    for (const reference of [formatTaskId(idOf(2)), "tiny-sums"]) {
      const waits = await refusal(reference);
      expect(waits.retryable).to.equal(true);
      expect(waits.message).to.equal(
        `The checkpoints of ${formatTaskId(idOf(2))} are not kept yet.`,
      );
    }
    // Cleaning keeps them before it does anything else, so that the wait is short.
    await keep(openJobs[0]!);
    expect(await find("tiny-sums")).to.equal(join(root, "kept", formatTaskId(idOf(2)), "step-3"));
    openJobs = [{ ...recordOf(4), job: { chain: "Accepted" } } as unknown as JobRecord];
    expect(await find(formatTaskId(idOf(1)))).to.match(/step-4$/);
  });

  it("cannot be reached with a path for a name", async () => {
    await keep(train(recordOf(1), [4]));
    for (const name of ["..", `../kept/${formatTaskId(idOf(1))}`, "."])
      expect((await refusal(name)).reason).to.equal("ConfigInvalid");
  });

  it("are refused for another base model, and the error names theirs", async () => {
    await keep(train(recordOf(1), [4]));
    const order = { ...recordOf(9), order: { modelHash: `0x${"cd".repeat(32)}` } } as JobRecord;
    const error = await refusal(formatTaskId(idOf(1)), order);
    expect(error.message).to.match(/another base model/);
    expect(error.hint).to.include(HASH);
  });

  it("are deleted if they are too many or too old", async () => {
    limits.tasks = 2;
    for (const n of [1, 2, 3]) {
      await keep(train(recordOf(n), [4]));
      await new Promise((resolve) => setTimeout(resolve, 2)); // the order of time, in milliseconds
    }
    expect(readdirSync(join(root, "kept")).length).to.equal(2);
    expect((await refusal(formatTaskId(idOf(1)))).reason).to.equal("ConfigInvalid");
    const sheet = join(root, "kept", formatTaskId(idOf(2)), "kept.json");
    const old = {
      ...JSON.parse(readFileSync(sheet, "utf8")),
      keptAt: Date.now() - 31 * 86_400_000,
    };
    writeFileSync(sheet, JSON.stringify(old));
    await keep(train(recordOf(4), [4]));
    expect((await refusal(formatTaskId(idOf(2)))).reason).to.equal("ConfigInvalid");
    expect(await find(formatTaskId(idOf(3)))).to.match(/step-4$/);
  });

  it("are not kept at all if the operator keeps none", async () => {
    limits.days = 0;
    await keep(train(recordOf(1), [4]));
    expect(existsSync(join(root, "kept"))).to.equal(false);
  });

  it("are kept once, however often the task is cleaned up", async () => {
    const record = train(recordOf(1), [4]);
    await keep(record);
    await keep(record);
    expect(readdirSync(join(root, "kept"))).to.deep.equal([formatTaskId(idOf(1))]);
  });
});
