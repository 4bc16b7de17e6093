import { getBytes, ZeroHash } from "ethers";
import type { TaskOrderStructOutput } from "../../types/ethers-contracts/interfaces/IFineTuningServing.ts";
import type { Root } from "../ids.ts";
import type { Hyperparameters } from "../training/Hyperparameters.ts";
import { canonicalConfig, parseCanonicalConfig } from "../training/parseHyperparameters.ts";

/** What a user orders, as passed to createTask. */
export interface TaskOrder {
  readonly provider: string;
  /** The user's task count at this provider: it prevents placing an order twice. */
  readonly nonce: bigint;
  /** Units of work that are paid for; see workUnits. */
  readonly units: bigint;
  /** Number of the offer that the user saw; the contract refuses the order if the terms have changed since. */
  readonly offer: number;
  /** Unix seconds until which the provider may accept it; after that, anyone may cancel it. */
  readonly validUntil: number;
  /** Neuron; upper bound on the fee, even if the provider changes its price meanwhile. */
  readonly maxFee: bigint;
  /** Hash of the base model, from the provider's catalogue. */
  readonly modelHash: string;
  readonly datasetRoot: Root;
  readonly validationRoot: Root | null;
  /** Merkle root over the hashes of the user's blinding values. */
  readonly blindRoot: string;
  /** Compressed secp256k1 point, 33 bytes as 0x-hex. */
  readonly userKey: string;
  /** The hyper-parameters that the user has set; on chain, their canonical JSON. */
  readonly config: Hyperparameters;
}

/** An order as it is on chain, where its user can write anything. */
export interface RecordedOrder extends Omit<TaskOrder, "config"> {
  /** The hyper-parameters; null if the user wrote anything but canonical JSON of valid ones. */
  readonly config: Hyperparameters | null;
}

/** Encodes the order as the contract's `TaskOrder` struct. */
export function encodeOrder({ modelHash, ...order }: TaskOrder) {
  return {
    ...order,
    model: modelHash,
    validationRoot: order.validationRoot ?? ZeroHash,
    config: canonicalConfig(order.config),
  };
}

/** Decodes the contract's `TaskOrder` struct. */
export function decodeOrder(order: TaskOrderStructOutput): RecordedOrder {
  return {
    provider: order.provider,
    nonce: order.nonce,
    units: order.units,
    offer: Number(order.offer),
    validUntil: Number(order.validUntil),
    maxFee: order.maxFee,
    modelHash: order.model,
    datasetRoot: order.datasetRoot as Root,
    validationRoot: order.validationRoot === ZeroHash ? null : (order.validationRoot as Root),
    blindRoot: order.blindRoot,
    userKey: order.userKey,
    config: parseCanonicalConfig(getBytes(order.config)),
  };
}
