import type { DatasetKind } from "../dataset/formats/DatasetRow.ts";
import type { Rates } from "../service/Rates.ts";
import type { Unit } from "../service/Service.ts";
import { RULES } from "../training/describeHyperparameters.ts";
import type { Hyperparameters } from "../training/Hyperparameters.ts";

/** Rates are in basis points. */
const BPS = 10_000n;

/** How far a training run got. */
export interface TrainingSteps {
  readonly steps: number;
  readonly totalSteps: number;
}

/** What the work of an order depends on. */
export interface WorkParameters {
  /** Size of the training dataset, in the service's unit. */
  readonly dataSize: bigint;
  /** Size of the validation dataset, in the service's unit; 0 if there is none. */
  readonly validationSize: bigint;
  readonly config: Hyperparameters;
  /** The model's, from the provider's catalogue. */
  readonly rates: Rates;
  readonly minimumUnits: bigint;
  /** How far the training got, if it has ended; default: to its end. */
  readonly done?: TrainingSteps;
}

/** The work of an order, with the terms of its sum. */
export interface WorkUnits {
  /** Units of work: the sum, and at least the minimum. */
  readonly units: bigint;
  readonly sum: bigint;
  readonly minimum: bigint;
  readonly lora: boolean;
  /** Size of the training dataset, passes over it, and basis points for each of its units. */
  readonly training: { readonly size: bigint; readonly epochs: number; readonly rate: number };
  /** Size of the validation dataset, passes over it, and basis points for each of its units. */
  readonly evaluation: {
    readonly size: bigint;
    readonly evaluations: number;
    readonly rate: number;
  };
  readonly checkpoints: { readonly count: number; readonly units: number };
}

/**
 * Computes the units of work of an order, which its fee is charged for:
 *
 *   ⌈(train · epochs · rate + validation · evaluations · evaluationRate) / 10,000⌉ + checkpoints · checkpointUnits
 *
 * and at least the service's minimum. `train` and `validation` are dataset sizes in the service's unit, `rate` is the
 * model's for full training or for LoRA, and `evaluations` are n_evals, at least one, and the one before the training.
 * Of a training that stopped early only what was done counts.
 * @example
 * const { sum } = workUnits({
 *   ...{ dataSize: 1_492n, validationSize: 0n, config: { n_epochs: 4, lora: true } },
 *   ...{ rates: model.rates, minimumUnits: service.minimumUnits },
 * });
 */
export function workUnits({
  dataSize,
  validationSize,
  config,
  rates,
  minimumUnits,
  done,
}: WorkParameters): WorkUnits {
  const lora = config.lora ?? false;
  const rate = lora ? rates.lora : rates.full;
  const perCheckpoint = lora ? rates.loraCheckpointUnits : rates.checkpointUnits;
  const epochs = setting(config, "n_epochs");
  const share = shareOf(config, done);
  const evaluations = countEvaluations(config, share);
  const checkpoints = countCheckpoints(config, share);
  const sum =
    ceilDivide(
      dataSize * BigInt(epochs * rate) * share.steps +
        validationSize * BigInt(evaluations * rates.evaluation) * share.totalSteps,
      BPS * share.totalSteps,
    ) + BigInt(checkpoints * perCheckpoint);
  return {
    units: sum > minimumUnits ? sum : minimumUnits,
    sum,
    minimum: minimumUnits,
    lora,
    training: { size: dataSize, epochs: epochs * numberOf(share), rate },
    evaluation: { size: validationSize, evaluations, rate: rates.evaluation },
    checkpoints: { count: checkpoints, units: perCheckpoint },
  };
}

/** Sizes of datasets, in the service's unit. */
export interface DatasetSizes {
  readonly train: bigint;
  readonly validation: bigint;
}

/**
 * The largest datasets that so many units of work suffice for, each as if the other were empty.
 * @example const { train } = largestDatasets({ units, config: { n_epochs: 4 }, rates: model.rates });
 */
export function largestDatasets({
  units,
  config,
  rates,
}: Pick<WorkParameters, "config" | "rates"> & { readonly units: bigint }): DatasetSizes {
  const empty = { dataSize: 0n, validationSize: 0n, minimumUnits: 0n };
  const { sum, training, evaluation } = workUnits({ ...empty, config, rates });
  const left = units > sum ? (units - sum) * BPS : 0n;
  return {
    train: left / BigInt(training.epochs * training.rate),
    validation: left / BigInt(evaluation.evaluations * evaluation.rate),
  };
}

/** What the size of a dataset counts: the unit of the price, and images where each of them is a token. */
export type SizeUnit = Unit | "image";

/**
 * What a service's sizes count for a model of this kind, in words for people.
 * @example console.log(`${size} ${sizeUnit(service.unit, model.kind)}s`);
 */
export const sizeUnit = (unit: Unit, kind: DatasetKind): SizeUnit =>
  unit === "token" && kind === "image-classification" ? "image" : unit;

/**
 * The sum as a person would check it: "1,492 tokens × 4 epochs × 0.5 (LoRA on llama) + 1 checkpoint × 10 units".
 * @param where what the sizes count, and the model's name
 * @example
 * const { work } = quote({ service, model, config: { n_epochs: 3 }, dataSize: 70n });
 * const unit = sizeUnit(service.unit, model.kind);
 * console.log(describeWork(work, { unit, model: model.name }));
 */
export function describeWork(
  { training, evaluation, checkpoints, lora, sum, minimum }: WorkUnits,
  { unit, model }: { readonly unit: SizeUnit; readonly model: string },
): string {
  const how = `${lora ? "LoRA on" : "full training of"} ${model}`;
  const terms = [
    `${counted(training.size, unit)} × ${counted(training.epochs, "epoch")} × ${factor(training.rate)} (${how})`,
    evaluation.size > 0n &&
      `${counted(evaluation.size, unit)} × ${counted(evaluation.evaluations, "evaluation")} × ${factor(evaluation.rate)}`,
    checkpoints.units > 0 &&
      `${counted(checkpoints.count, "checkpoint")} × ${counted(checkpoints.units, "unit")}`,
  ];
  const atLeast = sum < minimum ? `, at least ${minimum.toLocaleString("en")}` : "";
  return terms.filter((term) => term !== false).join(" + ") + atLeast;
}

function counted(count: bigint | number, noun: string): string {
  const plural = BigInt(Math.ceil(Number(count))) === 1n ? "" : "s";
  return `${count.toLocaleString("en", { maximumFractionDigits: 2 })} ${noun}${plural}`;
}

const factor = (bps: number) =>
  (bps / Number(BPS)).toLocaleString("en", { maximumFractionDigits: 4 });

const ceilDivide = (dividend: bigint, divisor: bigint) => (dividend + divisor - 1n) / divisor;

type Counts = "n_epochs" | "n_evals" | "n_checkpoints";

/** A hyper-parameter, or its default. */
const setting = (config: Hyperparameters, name: Counts): number =>
  config[name] ?? Number(RULES.get(name)!.default);

/** The share of a training that was done, as a fraction. */
interface Share {
  readonly steps: bigint;
  readonly totalSteps: bigint;
}

const ALL: Share = { steps: 1n, totalSteps: 1n };

const numberOf = ({ steps, totalSteps }: Share) => Number(steps) / Number(totalSteps);

/** Only early stopping ends a training before its last step, and not before `early_stopping_patience` evaluations. */
function shareOf(config: Hyperparameters, done: TrainingSteps | undefined): Share {
  const patience = config.early_stopping_patience;
  const evaluations = setting(config, "n_evals");
  if (!done || patience === undefined || patience >= evaluations) return ALL;
  if (done.steps >= done.totalSteps) return ALL;
  const isEarlier = done.steps * evaluations < patience * done.totalSteps;
  return isEarlier
    ? { steps: BigInt(patience), totalSteps: BigInt(evaluations) }
    : { steps: BigInt(done.steps), totalSteps: BigInt(done.totalSteps) };
}

/** Before the training, during it, and at its end, when at least one is made. */
function countEvaluations(config: Hyperparameters, share: Share): number {
  const evaluations = Math.max(1, setting(config, "n_evals"));
  if (share === ALL) return evaluations + 1;
  const during = Number((share.steps * BigInt(evaluations)) / share.totalSteps);
  return Math.min(evaluations, during + 1) + 1;
}

/** At most one per epoch: those before the last step, and the one at the last step. */
function countCheckpoints(config: Hyperparameters, share: Share): number {
  const epochs = setting(config, "n_epochs");
  const count = Math.min(setting(config, "n_checkpoints"), epochs);
  const passes = Array.from({ length: count - 1 }, (_, i) => Math.ceil((epochs * (i + 1)) / count));
  const earlier = passes.filter(
    (pass) => BigInt(pass) * share.totalSteps < BigInt(epochs) * share.steps,
  );
  return earlier.length + 1;
}
