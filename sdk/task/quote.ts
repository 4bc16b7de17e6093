import { ProtocolError } from "../errors.ts";
import type { ServiceTerms } from "../service/Service.ts";

/** The price of a task. */
export interface Quote {
  /** Size of the dataset, in the service's unit. */
  readonly units: bigint;
  /** Neuron that the user pays. */
  readonly fee: bigint;
  /** The provider's bond in neuron. */
  readonly bond: bigint;
  /** Seconds from acceptance to the training deadline. */
  readonly trainingTime: number;
}

export interface QuoteParameters {
  readonly service: Pick<ServiceTerms, "pricePerUnit" | "bondBps" | "maxTrainingTime">;
  /** Size of the dataset, in the service's unit. */
  readonly units: bigint;
}

const MAX_UNITS = 2n ** 64n - 1n;
const MAX_FEE = 2n ** 96n - 1n;
const BPS = 10_000n;

/**
 * Computes the fee that the contract will charge, price × units, and the bond, rounded up.
 * @throws ProtocolError "usage" if there are no units, or more than an order can have.
 * @example console.log(`${formatOg(quote({ service, units }).fee)} OG`);
 */
export function quote({ service, units }: QuoteParameters): Quote {
  const fee = units * service.pricePerUnit;
  if (units <= 0n || units > MAX_UNITS || fee > MAX_FEE) {
    throw new ProtocolError(
      "usage",
      `A dataset of ${units} units cannot be ordered.`,
      units <= 0n ? "Give a dataset that is not empty." : "Give a smaller dataset.",
    );
  }
  const bond = (fee * BigInt(service.bondBps) + BPS - 1n) / BPS;
  return { units, fee, bond, trainingTime: service.maxTrainingTime };
}
