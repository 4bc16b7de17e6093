import type { ServiceStructOutput } from "../../types/ethers-contracts/interfaces/IFineTuningServing.ts";

/** What the sizes of datasets are in: bytes of the file, or tokens by the model's tokenizer. */
export type Unit = "byte" | "token";

/** In the order of the Solidity enum `Unit`. */
export const UNITS: readonly Unit[] = ["byte", "token"];

/** A provider's offer, as the provider registers and updates it. */
export interface ServiceTerms {
  /** Neuron per unit of work: a byte or token, trained on once with all weights of a model of a billion parameters. */
  readonly pricePerUnit: bigint;
  /** Fewest units of an order, at least 1. */
  readonly minimumUnits: bigint;
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
  /** Address that accepts, delivers and reveals for the provider; may be the provider's own. */
  readonly operator: string;
  /** keccak256 of the exact bytes of the catalogue. */
  readonly catalogueHash: string;
  /** Compressed secp256k1 point, 33 bytes as 0x-hex. */
  readonly encryptionKey: string;
  /** Base URL of the provider's API. */
  readonly url: string;
}

/** How many of a provider's tasks are open, and how many ended in each way. */
export interface ServiceCounters {
  readonly open: number;
  /** The user confirmed the model. */
  readonly confirmed: number;
  /** The user let the dispute period pass. */
  readonly finalized: number;
  /** The user never acknowledged the delivery. */
  readonly lapsed: number;
  /** Given up before acceptance. */
  readonly refused: number;
  /** Given up after acceptance. */
  readonly failed: number;
  /** The provider missed a deadline. */
  readonly expired: number;
  /** Misbehaviour was proved. */
  readonly slashed: number;
}

const COUNTERS = [
  ...["open", "confirmed", "finalized", "lapsed", "refused", "failed", "expired", "slashed"],
] as readonly (keyof ServiceCounters)[];

/** A registered service. */
export interface Service extends ServiceTerms {
  readonly provider: string;
  /** Neuron reserved at registration. */
  readonly stake: bigint;
  /** Number of the current terms, as an order names them. */
  readonly offer: number;
  readonly counters: ServiceCounters;
  /** Neuron that users have paid to the provider since its first registration. */
  readonly earned: bigint;
  /** Unix seconds at which a task of it last failed after acceptance, expired or was slashed; 0 if never. */
  readonly failedAt: number;
}

/** Encodes the terms as the contract's `ServiceTerms` struct. */
export function encodeTerms(terms: ServiceTerms) {
  return { ...terms, unit: UNITS.indexOf(terms.unit) };
}

/** Decodes the contract's `Service` struct. */
export function decodeService(service: ServiceStructOutput): Service {
  const { provider, stake, offer, terms, counters, earned, failedAt } = service;
  return {
    provider,
    stake,
    offer: Number(offer),
    earned,
    failedAt: Number(failedAt),
    pricePerUnit: terms.pricePerUnit,
    minimumUnits: terms.minimumUnits,
    unit: UNITS[Number(terms.unit)]!,
    maxTrainingTime: Number(terms.maxTrainingTime),
    bondBps: Number(terms.bondBps),
    unacknowledgedBps: Number(terms.unacknowledgedBps),
    openTasksPerUser: Number(terms.openTasksPerUser),
    accepting: terms.accepting,
    operator: terms.operator,
    catalogueHash: terms.catalogueHash,
    encryptionKey: terms.encryptionKey,
    url: readUrl(terms),
    counters: Object.fromEntries(
      COUNTERS.map((name) => [name, Number(counters[name])]),
    ) as unknown as ServiceCounters,
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
