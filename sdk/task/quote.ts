import { ProtocolError } from "../errors.ts";
import type { CatalogueModel } from "../service/fetchCatalogue.ts";
import type { ServiceTerms } from "../service/Service.ts";
import type { Hyperparameters } from "../training/Hyperparameters.ts";
import { type WorkUnits, workUnits } from "./workUnits.ts";

/** The price of a task. */
export interface Quote {
  /** Units of work. */
  readonly units: bigint;
  /** The sum that they are. */
  readonly work: WorkUnits;
  /** Neuron that the user pays at most: a training that stops early costs less. */
  readonly fee: bigint;
  /** The provider's bond in neuron. */
  readonly bond: bigint;
  /** Seconds from acceptance to the training deadline. */
  readonly trainingTime: number;
}

export interface QuoteParameters {
  readonly service: Pick<
    ServiceTerms,
    "pricePerUnit" | "minimumUnits" | "bondBps" | "maxTrainingTime"
  >;
  readonly model: Pick<CatalogueModel, "rates">;
  /** The hyper-parameters that the user has set. */
  readonly config: Hyperparameters;
  /** Size of the training dataset, in the service's unit. */
  readonly dataSize: bigint;
  /** Size of the validation dataset, in the service's unit; default: none. */
  readonly validationSize?: bigint;
}

const MAX_UNITS = 2n ** 64n - 1n;
const MAX_FEE = 2n ** 96n - 1n;
const BPS = 10_000n;

/**
 * Computes the work of a task, the fee that the contract will reserve for it, price × units, and the bond, rounded up.
 * @throws ProtocolError "usage" if a dataset is empty, or the work more than an order can have.
 * @example
 * const { fee, units } = quote({ service, model, config: { n_epochs: 3 }, dataSize: 70n });
 * console.log(`${units} units of work for ${formatOg(fee)} OG`);
 */
export function quote({
  service,
  model,
  config,
  dataSize,
  validationSize = 0n,
}: QuoteParameters): Quote {
  if (dataSize <= 0n || validationSize < 0n) {
    throw new ProtocolError(
      "usage",
      `A dataset of the size ${dataSize <= 0n ? dataSize : validationSize} cannot be ordered.`,
      "Give a dataset that is not empty.",
    );
  }
  const { rates } = model;
  const { minimumUnits } = service;
  const work = workUnits({ dataSize, validationSize, config, rates, minimumUnits });
  const { units } = work;
  const fee = units * service.pricePerUnit;
  if (units > MAX_UNITS || fee > MAX_FEE) {
    throw new ProtocolError(
      "usage",
      `Work of ${units} units cannot be ordered.`,
      "Give smaller datasets, or fewer epochs or evaluations.",
    );
  }
  const bond = (fee * BigInt(service.bondBps) + BPS - 1n) / BPS;
  return { units, work, fee, bond, trainingTime: service.maxTrainingTime };
}
