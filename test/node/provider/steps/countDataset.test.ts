import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { TaskRefusedError } from "../../../../provider/errors.ts";
import { jobPaths } from "../../../../provider/files/jobPaths.ts";
import { Catalogue, type Model } from "../../../../provider/models/Catalogue.ts";
import { countDataset } from "../../../../provider/steps/countDataset.ts";
import type { StepContext } from "../../../../provider/steps/parts/StepContext.ts";
import type { JobRecord } from "../../../../provider/store/Store.ts";
import type { CountedFile } from "../../../../provider/training/Trainer.ts";
import type { TaskId } from "../../../../sdk/ids.ts";
import type { Hyperparameters } from "../../../../sdk/training/Hyperparameters.ts";
import { RATES } from "../../../helpers/MarketFixture.ts";

const ID = `0x${"11".repeat(16)}` as TaskId;
const HASH = `0x${"ab".repeat(32)}`;

describe("countDataset", () => {
  let root: string;
  let counted: CountedFile[];

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "anneal-count-step-"));
    mkdirSync(jobPaths(root, ID).data, { recursive: true });
    writeFileSync(join(jobPaths(root, ID).data, "train.jsonl"), "0123456789");
    counted = [];
  });
  afterEach(() => rmSync(root, { recursive: true }));

  /** A stub trainer counts 7 tokens, or refuses a file. */
  const run = (
    facts: object,
    { units = 10n, config = { n_epochs: 1 } as Hyperparameters, refuses = "" } = {},
  ) => {
    const countTokens = async (_: Model, dataset: CountedFile) => {
      counted.push(dataset);
      if (refuses && dataset.file.endsWith(refuses))
        throw new TaskRefusedError("DatasetInvalid", "Too much.", "Split it.");
      return 7;
    };
    const model = { name: "tiny", kind: "causal-lm", hash: HASH, directory: root } as Model;
    const context = {
      ...{
        catalogue: new Catalogue([model], { maxDatasetBytes: 2 ** 30 }),
        jobsDirectory: root,
        trainer: { countTokens },
      },
      times: { training: () => null, margin: () => 60 },
    } as unknown as StepContext;
    const job = { trainingTime: 3_600 };
    const record = {
      id: ID,
      order: { modelHash: HASH, units, config },
      facts: { model: "tiny", rates: RATES, minimumUnits: 1, ...facts },
      job,
    } as unknown as JobRecord;
    return countDataset(context, record, new AbortController().signal, 0).catch((error) => error);
  };
  const TRAIN = { train: "data/train.jsonl", validation: null };
  const BOTH = { train: "data/train.jsonl", validation: "data/validation.jsonl" };

  it("names the files in which the trainer looks for the token ids", async () => {
    await run({ ...BOTH, unit: "token" });
    const directory = jobPaths(root, ID).directory;
    const names = counted.map(({ tokens }) => relative(directory, tokens));
    expect(names).to.deep.equal(["tokens/train.arrow", "tokens/validation.arrow"]);
  });

  it("compares the unit that the price is for", async () => {
    expect(await run({ ...TRAIN, unit: "token" }, { units: 7n })).to.deep.equal({
      sizes: { train: 7, validation: 0 },
    });
    expect(await run({ ...TRAIN, unit: "byte" }, { units: 10n })).to.deep.equal({
      sizes: { train: 10, validation: 0 },
    });
    const tokens = await run({ ...TRAIN, unit: "token" }, { units: 6n });
    expect(tokens.message).to.equal(
      "The work is 7 units, more than the 6 ordered: 7 tokens × 1 epoch × 1 (full training of tiny).",
    );
    const bytes = await run({ ...TRAIN, unit: "byte" }, { units: 9n });
    expect(bytes.message).to.equal(
      "The work is 10 units, more than the 9 ordered: 10 bytes × 1 epoch × 1 (full training of tiny).",
    );
  });

  it("counts epochs, the kind of training, and evaluations of the validation dataset as work", async () => {
    const config = { n_epochs: 3, n_evals: 100, lora: true };
    const facts = { ...BOTH, unit: "token" };
    // 7 × 3 × 0.6667 + 7 × 101 × 0.3333 = 249.64
    expect(await run(facts, { units: 250n, config })).to.deep.equal({
      sizes: { train: 7, validation: 7 },
    });
    const error = await run(facts, { units: 249n, config });
    expect(error).to.include({ reason: "DatasetLargerThanDeclared" });
    expect(error.message).to.contain("7 tokens × 101 evaluations × 0.3333");
  });

  it("refuses malicious data before it takes a slot, whatever is paid for", async () => {
    for (const [refuses, unit] of [
      ["train.jsonl", "byte"],
      ["validation.jsonl", "token"],
    ] as const) {
      const error = await run({ ...BOTH, unit }, { refuses });
      expect(error).to.include({ reason: "DatasetInvalid" });
    }
    expect(counted.map(({ isValidation = false }) => isValidation)).to.deep.equal([
      ...[false, false, true],
    ]);
  });
});
