import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { getBytes, hexlify } from "ethers";
import { afterEach, beforeEach, describe, it } from "mocha";
import { EncryptionKey } from "../../../../../provider/EncryptionKey.ts";
import { EncryptionKeys } from "../../../../../provider/EncryptionKeys.ts";
import { TaskRefusedError } from "../../../../../provider/errors.ts";
import { newJob } from "../../../../../provider/machine/machine.ts";
import { Catalogue, type Model } from "../../../../../provider/models/Catalogue.ts";
import { countDataset } from "../../../../../provider/steps/countDataset.ts";
import type { StepContext } from "../../../../../provider/steps/parts/StepContext.ts";
import { TaskTimes } from "../../../../../provider/steps/parts/TaskTimes.ts";
import { verify } from "../../../../../provider/steps/verify.ts";
import type { JobRecord } from "../../../../../provider/store/Store.ts";
import { blindRoot, sharedBlind } from "../../../../../sdk/exchange/blind.ts";
import type { Hyperparameters } from "../../../../../sdk/training/Hyperparameters.ts";
import { RATES } from "../../../../helpers/MarketFixture.ts";

const LOCAL_GRACE = 30_000;
const HASH = `0x${"ab".repeat(32)}`;
const never = new AbortController().signal;

/** A task with a dataset of 1,000 tokens. */
function record(config: Hyperparameters = { n_epochs: 1 }, more = {}): JobRecord {
  const sizes = { train: 1_000, validation: 0 };
  const facts = { sizes, rates: { ...RATES, lora: 5_000 }, minimumUnits: 1, ...more };
  const order = { modelHash: HASH, config, units: 20_000n };
  return { id: "0x01", order, facts } as unknown as JobRecord;
}

describe("time limits of a task", () => {
  it("reserve more than the trainer gets to stop, and more for a larger model", () => {
    for (const grace of [LOCAL_GRACE, 60_000]) {
      const times = new TaskTimes(grace);
      const small = times.margin(record({}, { outputBytes: 1e6 }));
      expect(small).to.be.greaterThan(grace / 1000 + 10);
      expect(times.margin(record({}, { outputBytes: 16e9 }))).to.be.greaterThan(small + 1_000);
    }
  });

  it("follow measurements that are slower than expected", () => {
    const times = new TaskTimes(LOCAL_GRACE);
    const expected = times.margin(record({}, { outputBytes: 1e9 }));
    const job = record({}, { size: 1e9 });
    for (const step of ["package", "seal", "upload"] as const) times.note(step, job, 200_000);
    times.note("deliver", job, 45_000);
    const measured = times.margin(record({}, { outputBytes: 1e9 }));
    expect(measured).to.be.at.least(30 + 2 * 45 + 600);
    expect(measured).to.be.greaterThan(expected);
  });

  it("estimate a training run from the fastest of its kind", () => {
    const times = new TaskTimes(LOCAL_GRACE);
    expect(times.training(record())).to.equal(null);
    times.note("train", record({ n_epochs: 2 }), 100_000);
    times.note("train", record({ n_epochs: 2 }), 400_000);
    expect(times.training(record({ n_epochs: 20 }))).to.equal(1_000);
    expect(times.training(record({ lora: true, n_epochs: 20 }))).to.equal(null);
  });
});

describe("an order with little time", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "anneal-times-"));
    writeFileSync(join(root, "model.safetensors"), "");
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const run = (step: typeof verify, trainingTime: number, times = new TaskTimes(LOCAL_GRACE)) => {
    const key = EncryptionKey.derive(new Uint8Array(32).fill(1));
    const userKey = EncryptionKey.derive(new Uint8Array(32).fill(2)).publicKey;
    const agreed = hexlify(blindRoot(sharedBlind(key.secret, getBytes(userKey))));
    const model = { name: "tiny", kind: "causal-lm", hash: HASH, directory: root } as Model;
    const context = {
      catalogue: new Catalogue([model], { maxDatasetBytes: 2 ** 30 }),
      encryptionKeys: new EncryptionKeys(key),
      maxDatasetBytes: 2 ** 30,
      jobsDirectory: root,
      trainer: { countTokens: async () => 1_000 },
      times,
      client: { serving: { getService: () => Promise.reject(new Error("asked the chain")) } },
    } as unknown as StepContext;
    const { id, order } = record({ n_epochs: 20 });
    const job = {
      ...{ id, user: "ann", order: { ...order, userKey, blindRoot: agreed } },
      facts: {
        ...{ unit: "token", train: "data/train.jsonl", outputBytes: 0 },
        ...{ model: "tiny", rates: RATES, minimumUnits: 1 },
      },
      job: { ...newJob(), chain: "Created", trainingTime },
    } as unknown as JobRecord;
    return step(context, job, never, 0).then(
      () => null,
      (error: Error) => error,
    );
  };

  it("is not accepted if it leaves too little time to deliver, and the message says how much that takes", async () => {
    const times = new TaskTimes(LOCAL_GRACE);
    truncateSync(join(root, "model.safetensors"), 1e9);
    const margin = times.margin({ facts: { outputBytes: 1e9 } });
    expect(margin).to.be.at.least(150);
    const error = await runVerify(150);
    expect(error).to.be.instanceOf(TaskRefusedError).and.to.include({ reason: "ProviderBusy" });
    expect(error!.message).to.include("150 s").and.to.include(`${margin} s`);
  });

  it("is not accepted if twice the measured speed would not be enough", async () => {
    const times = new TaskTimes(LOCAL_GRACE);
    times.note("train", record({ n_epochs: 2 }), 100_000);
    const error = await run(countDataset, 400, times);
    expect(error).to.be.instanceOf(TaskRefusedError).and.to.include({ reason: "ProviderBusy" });
    expect(error!.message).to.include("about 1000 s");
    expect(await run(countDataset, 1_000, times)).to.equal(null);
  });

  const runVerify = (trainingTime: number) => run(verify, trainingTime);
});
