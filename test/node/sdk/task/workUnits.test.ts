import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import {
  describeWork,
  largestDatasets,
  sizeUnit,
  type WorkParameters,
  workUnits,
} from "../../../../sdk/task/workUnits.ts";
import { RATES } from "../../../helpers/MarketFixture.ts";

const ROOT = join(import.meta.dirname, "../../../..");
const PYTHON = join(ROOT, ".venv/bin/python");

const bigInt = (max: bigint) => fc.bigInt(0n, max);
const rate = fc.integer({ min: 1, max: 1_000_000 });
const RateSets = fc.record({
  full: rate,
  lora: rate,
  evaluation: rate,
  checkpointUnits: fc.nat(1_000_000),
  loraCheckpointUnits: fc.nat(1_000_000),
});
const Configs = fc.record(
  {
    n_epochs: fc.integer({ min: 1, max: 20 }),
    n_evals: fc.nat(100),
    n_checkpoints: fc.integer({ min: 1, max: 20 }),
    lora: fc.boolean(),
    early_stopping_patience: fc.integer({ min: 1, max: 20 }),
  },
  { requiredKeys: [] },
);
const Orders: fc.Arbitrary<WorkParameters> = fc.record({
  dataSize: bigInt(10n ** 12n).map((size) => size + 1n),
  validationSize: bigInt(10n ** 10n),
  config: Configs,
  rates: RateSets,
  minimumUnits: bigInt(10n ** 9n).map((units) => units + 1n),
});

/** The formula of docs/protocol.md, and the trainer's own schedule for a training that stops early. */
const RECOMPUTATION = `
import json, math, sys
from fractions import Fraction
from anneal_trainer.job import Hyperparameters, _resolve, load_schema
from anneal_trainer.schedule import Plan

rules = load_schema()["$defs"]["hyperparameters"]["properties"]
for line in sys.stdin:
    order = json.loads(line)
    parameters, _ = _resolve(order["config"], rules)
    rates, done = order["rates"], order["done"]
    plan = Plan(done["totalSteps"] // parameters.n_epochs, 1, parameters)
    assert plan.total_steps == done["totalSteps"]
    steps, total = done["steps"], done["totalSteps"]
    during = [step for step in plan.evaluate_after if step < total and step <= steps]
    checkpoints = [step for step in plan.checkpoint_after if step < steps]
    work = math.ceil((
        int(order["dataSize"]) * parameters.n_epochs * Fraction(steps, total)
        * rates["lora" if parameters.lora else "full"]
        + int(order["validationSize"]) * (len(during) + 2) * rates["evaluation"]
    ) / 10_000)
    work += (len(checkpoints) + 1) * rates["loraCheckpointUnits" if parameters.lora else "checkpointUnits"]
    print(max(work, int(order["minimumUnits"])))
`;

const plain = (value: unknown) =>
  JSON.stringify(value, (_, each) => (typeof each === "bigint" ? each.toString() : each));

/** Recomputes the units of orders in Python. */
function recompute(orders: readonly WorkParameters[]): bigint[] {
  const printed = execFileSync(PYTHON, ["-c", RECOMPUTATION], {
    input: orders.map((order) => `${plain(order)}\n`).join(""),
    env: { ...process.env, PYTHONPATH: join(ROOT, "provider/trainer") },
    encoding: "utf8",
  });
  return printed.trimEnd().split("\n").map(BigInt);
}

describe("sdk/task workUnits", () => {
  const order: WorkParameters = {
    ...{ dataSize: 1_492n, validationSize: 200n, minimumUnits: 1_000n },
    rates: { ...RATES, lora: 5_000, evaluation: 3_300, loraCheckpointUnits: 10 },
    config: { n_epochs: 4, n_evals: 2, lora: true },
  };

  it("is a sum that a person can check", () => {
    const work = workUnits(order);
    expect(work.units).to.equal(3_192n); // 2,984 + 198 + 10
    expect(describeWork(work, { unit: "token", model: "llama" })).to.equal(
      "1,492 tokens × 4 epochs × 0.5 (LoRA on llama) + 200 tokens × 3 evaluations × 0.33 + 1 checkpoint × 10 units",
    );
    const unit = sizeUnit("token", "image-classification");
    expect(describeWork(work, { unit, model: "mobilenet_v2" })).to.match(/^1,492 images × /);
    expect(sizeUnit("byte", "image-classification")).to.equal("byte");
    const small = workUnits({ ...order, dataSize: 1n, validationSize: 0n });
    expect(small.units).to.equal(1_000n);
    expect(describeWork(small, { unit: "token", model: "llama" })).to.equal(
      "1 token × 4 epochs × 0.5 (LoRA on llama) + 1 checkpoint × 10 units, at least 1,000",
    );
  });

  it("counts the defaults of the trainer, and evaluations before and after the training", () => {
    const { training, evaluation, checkpoints, lora } = workUnits({ ...order, config: {} });
    expect(training).to.deep.equal({ size: 1_492n, epochs: 4, rate: 10_000 });
    expect(evaluation).to.deep.equal({ size: 200n, evaluations: 2, rate: 3_300 });
    expect({ checkpoints, lora }).to.deep.equal({
      checkpoints: { count: 1, units: 0 },
      lora: false,
    });
  });

  it("is at least the minimum, and the sum otherwise", () => {
    fc.assert(
      fc.property(Orders, (parameters) => {
        const { units, sum, minimum } = workUnits(parameters);
        expect(minimum).to.equal(parameters.minimumUnits);
        expect(units).to.equal(sum > minimum ? sum : minimum);
      }),
    );
  });

  it("never falls if any of its parts grows", () => {
    fc.assert(
      fc.property(Orders, Orders, (a, b) => {
        const max = (x = 0, y = 0) => Math.max(x, y);
        const larger = (x: bigint, y: bigint) => (x > y ? x : y);
        const { lora } = a.config;
        const grown: WorkParameters = {
          dataSize: larger(a.dataSize, b.dataSize),
          validationSize: larger(a.validationSize, b.validationSize),
          minimumUnits: larger(a.minimumUnits, b.minimumUnits),
          config: {
            ...(lora !== undefined && { lora }),
            n_epochs: max(a.config.n_epochs ?? 4, b.config.n_epochs),
            n_evals: max(a.config.n_evals, b.config.n_evals),
            n_checkpoints: max(a.config.n_checkpoints ?? 1, b.config.n_checkpoints),
          },
          rates: {
            full: max(a.rates.full, b.rates.full),
            lora: max(a.rates.lora, b.rates.lora),
            evaluation: max(a.rates.evaluation, b.rates.evaluation),
            checkpointUnits: max(a.rates.checkpointUnits, b.rates.checkpointUnits),
            loraCheckpointUnits: max(a.rates.loraCheckpointUnits, b.rates.loraCheckpointUnits),
          },
        };
        expect(workUnits(grown).units >= workUnits(a).units).to.equal(true);
      }),
    );
  });

  it("bounds the datasets of an order: none that its units pay for is larger", () => {
    fc.assert(
      fc.property(Orders, (parameters) => {
        const { units } = workUnits(parameters);
        const { train, validation } = largestDatasets({ ...parameters, units });
        expect(parameters.dataSize <= train).to.equal(true);
        expect(parameters.validationSize <= validation).to.equal(true);
        const over = { ...parameters, dataSize: train + 1n, validationSize: 0n, minimumUnits: 0n };
        if (train > 0n) expect(workUnits(over).units > units).to.equal(true);
      }),
    );
  });

  it("is what a recomputation in Python with the trainer's schedule gives, also of a training that stopped early", () => {
    const steps = fc.record({ perEpoch: fc.integer({ min: 100, max: 500 }), at: fc.nat(100) });
    const orders = fc
      .sample(fc.tuple(Orders, steps), { numRuns: 200, seed: 42 })
      .map(([parameters, { perEpoch, at }]) => {
        const { early_stopping_patience: patience, n_evals = 0, n_epochs = 4 } = parameters.config;
        const totalSteps = perEpoch * n_epochs;
        const canStop = patience !== undefined && patience < n_evals;
        const evaluation = canStop ? patience + (at % (n_evals - patience)) : n_evals;
        const steps = canStop ? Math.ceil((totalSteps * evaluation) / n_evals) : totalSteps;
        return { ...parameters, done: { steps, totalSteps } };
      });
    expect(orders.some(({ done }) => done.steps < done.totalSteps)).to.equal(true);
    expect(orders.map((each) => workUnits(each).units)).to.deep.equal(recompute(orders));
  });

  it("charges less for a training that stopped early, but only as early as its patience allows", () => {
    const config = { n_epochs: 10, n_evals: 10, n_checkpoints: 10, early_stopping_patience: 3 };
    const units = (done?: WorkParameters["done"]) =>
      workUnits({ ...order, minimumUnits: 1n, config, ...(done && { done }) }).units;
    const full = units();
    expect(units({ steps: 100, totalSteps: 100 })).to.equal(full);
    expect(units({ steps: 50, totalSteps: 100 }) < full).to.equal(true);
    const earliest = units({ steps: 30, totalSteps: 100 });
    for (const steps of [1, 29]) expect(units({ steps, totalSteps: 100 })).to.equal(earliest);
    const { early_stopping_patience: _, ...without } = config;
    const claimed = { ...order, config: without, done: { steps: 1, totalSteps: 100 } };
    expect(workUnits(claimed)).to.deep.equal(workUnits({ ...order, config: without }));
  });
});
