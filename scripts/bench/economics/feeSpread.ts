import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { defaultRates, SizeConfig } from "../../../provider/models/defaultRates.ts";
import { workUnits } from "../../../sdk/task/workUnits.ts";
import type { Hyperparameters } from "../../../sdk/training/Hyperparameters.ts";
import { seededRandom } from "../../../test/faults/seededRandom.ts";
import type { Measure } from "./Measure.ts";

const ROOT = join(import.meta.dirname, "../../..");
const SEED = 20_260_501;

/** Bytes of a parameter in 32-bit floats. */
const FLOAT = 4;
const ROW_LENGTHS = [128, 256, 512, 1_024];
/** Rows of a step. */
const BATCH = 8;

/** The most that the ratio of fee to true cost may differ between orders. */
const MOST = 1.3;

/** Which orders are compared. */
export interface Sample {
  readonly orders: number;
  /** Parameters of the largest model. */
  readonly largest: number;
}

/** Measures the fees of 1,000 orders of all models. */
export function measureFeeSpread(): Measure {
  const { orders, spread } = feeSpread({ orders: 1_000, largest: Number.POSITIVE_INFINITY });
  const summary = `Over ${orders} random orders, the dearest pays ${spread.toFixed(2)} times as much for its true cost as the cheapest.`;
  return { value: spread, holds: spread <= MOST, summary };
}

/** How far fees are from true costs. */
export interface FeeSpread {
  readonly orders: number;
  /** Highest ratio of fee to true cost, divided by the lowest. */
  readonly spread: number;
  /** The orders with the highest and the lowest ratio. */
  readonly dearest: RandomOrder;
  readonly cheapest: RandomOrder;
}

/** An order as training_flops.py reads it. */
export interface RandomOrder {
  /** Name of a published model. */
  readonly model: string;
  /** Tokens of each row. */
  readonly rowLength: number;
  readonly dataSize: number;
  readonly validationSize: number;
  readonly config: Hyperparameters;
}

/**
 * Compares the fees of random orders with their true costs: the operations of the trainer's own code as torch counts
 * them, and the bytes of its checkpoints at an assumed speed.
 *
 * It covers language models of 135 million to 14 billion parameters, plain rows of 128 to 1,024 tokens that are all
 * learned, training datasets of 500,000 to 50 million tokens, and at most one evaluation per step. It does not cover:
 * prompts, which are cheaper by their share of the products over the vocabulary; preference pairs, whose references cost
 * one more pass; longer rows, whose attention costs more; classifiers; padding, packing and other losses of machines;
 * what small orders cost besides their work, which the minimum is for.
 */
export function feeSpread({ orders: count, largest }: Sample): FeeSpread {
  const all: Record<string, Model> = JSON.parse(python(["--models"]));
  const models = Object.fromEntries(
    Object.entries(all).filter(([, { parameters }]) => parameters <= largest),
  );
  const orders = randomOrders(Object.keys(models), count);
  const costs = python([], orders.map((order) => `${JSON.stringify(order)}\n`).join(""));
  const ratios = costs.trimEnd().split("\n").map(Number);
  for (const [index, order] of orders.entries())
    ratios[index] = unitsOf(order, models[order.model]!) / ratios[index]!;
  const [highest, lowest] = [Math.max(...ratios), Math.min(...ratios)];
  return {
    orders: orders.length,
    spread: highest / lowest,
    dearest: orders[ratios.indexOf(highest)]!,
    cheapest: orders[ratios.indexOf(lowest)]!,
  };
}

function python(flags: readonly string[], input = ""): string {
  const script = join(import.meta.dirname, "training_flops.py");
  return execFileSync(join(ROOT, ".venv/bin/python"), [script, ...flags], {
    ...{ input, encoding: "utf8", stdio: ["pipe", "pipe", "ignore"] },
  });
}

/** A model, with the values of its config.json. */
interface Model {
  readonly parameters: number;
  readonly config: object;
}

function unitsOf({ dataSize, validationSize, config }: RandomOrder, model: Model): number {
  const size = SizeConfig.parse(model.config);
  const rates = defaultRates("causal-lm", model.parameters * FLOAT, size);
  const sizes = { dataSize: BigInt(dataSize), validationSize: BigInt(validationSize) };
  return Number(workUnits({ ...sizes, config, rates, minimumUnits: 1n }).units);
}

function randomOrders(models: readonly string[], count: number): RandomOrder[] {
  const random = seededRandom(SEED);
  const { integer, pick } = random;
  const size = (low: number, high: number) => Math.round(low * (high / low) ** random.next());
  return Array.from({ length: count }, () => {
    const rowLength = pick(ROW_LENGTHS);
    const dataSize = size(500_000, 50_000_000);
    const epochs = integer(1, 20);
    const steps = Math.ceil(dataSize / rowLength / BATCH) * epochs;
    const isEvaluated = random.next() < 0.7;
    const config: Hyperparameters = {
      n_epochs: epochs,
      n_checkpoints: integer(1, epochs),
      lora: random.next() < 0.5,
      n_evals: isEvaluated ? integer(0, Math.min(100, steps)) : 0,
    };
    const validationSize = isEvaluated ? size(1_000, dataSize) : 0;
    return { model: pick(models), rowLength, dataSize, validationSize, config };
  });
}
