import type { ServiceStructOutput } from "../../types/ethers-contracts/interfaces/IFineTuningServing.ts";

/** What the price is per: bytes of the dataset file, or tokens by the model's tokenizer. */
export type Unit = "byte" | "token";

/** In the order of the Solidity enum `Unit`. */
export const UNITS: readonly Unit[] = ["byte", "token"];

/** A provider's offer, as the provider registers and updates it. */
export interface ServiceTerms {
  /** Neuron per unit of the dataset. */
  readonly pricePerUnit: bigint;
  readonly unit: Unit;
  /** Seconds from acceptance to the training deadline. */
  readonly maxTrainingTime: number;
  /** Bond in basis points of the fee, at least 10,000. */
  readonly bondBps: number;
  /** Share of the fee, in basis points, due if a delivery is never acknowledged; at most 3,000. */
  readonly unacknowledgedBps: number;
  /** Open tasks allowed per user, at least 1. */
  readonly openTasksPerUser: number;
  readonly accepting: boolean;
  /** keccak256 of the exact bytes of the catalogue. */
  readonly catalogueHash: string;
  /** Compressed secp256k1 point, 33 bytes as 0x-hex. */
  readonly encryptionKey: string;
  /** Base URL of the provider's API. */
  readonly url: string;
}

/** How a provider's tasks have ended. */
export interface ServiceCounters {
  readonly open: number;
  readonly completed: number;
  readonly failed: number;
  readonly expired: number;
  readonly slashed: number;
}

/** A registered service. */
export interface Service extends ServiceTerms {
  readonly provider: string;
  /** Neuron reserved at registration. */
  readonly stake: bigint;
  readonly counters: ServiceCounters;
}

/** Encodes the terms as the contract's `ServiceTerms` struct. */
export function encodeTerms(terms: ServiceTerms) {
  return { ...terms, unit: UNITS.indexOf(terms.unit) };
}

/** Decodes the contract's `Service` struct. */
export function decodeService({ provider, stake, terms, counters }: ServiceStructOutput): Service {
  return {
    provider,
    stake,
    pricePerUnit: terms.pricePerUnit,
    unit: UNITS[Number(terms.unit)]!,
    maxTrainingTime: Number(terms.maxTrainingTime),
    bondBps: Number(terms.bondBps),
    unacknowledgedBps: Number(terms.unacknowledgedBps),
    openTasksPerUser: Number(terms.openTasksPerUser),
    accepting: terms.accepting,
    catalogueHash: terms.catalogueHash,
    encryptionKey: terms.encryptionKey,
    url: readUrl(terms),
    counters: {
      open: Number(counters.open),
      completed: Number(counters.completed),
      failed: Number(counters.failed),
      expired: Number(counters.expired),
      slashed: Number(counters.slashed),
    },
  };
}

/** A URL that is not valid UTF-8 reads as empty: one malformed service must not hide the others. */
function readUrl(terms: ServiceStructOutput["terms"]): string {
  try {
    return terms.url;
  } catch {
    return "";
  }
}
