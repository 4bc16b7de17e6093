import { toUtf8Bytes, toUtf8String, Utf8ErrorFuncs, ZeroHash } from "ethers";
import type { TaskOrderStructOutput } from "../../types/ethers-contracts/interfaces/IFineTuningServing.ts";
import type { Root } from "../ids.ts";

/** An order, as createTask sends it. */
export interface TaskOrder {
  readonly provider: string;
  /** The user's task count at this provider: it prevents placing an order twice. */
  readonly nonce: bigint;
  /** Declared size of the dataset, in the service's unit. */
  readonly units: bigint;
  /** Neuron; upper bound on the fee, even if the provider changes its price meanwhile. */
  readonly maxFee: bigint;
  /** Hash of the base model, from the provider's catalogue. */
  readonly model: string;
  readonly datasetRoot: Root;
  readonly validationRoot: Root | null;
  /** Merkle root over the hashes of the user's blinding values. */
  readonly blindRoot: string;
  /** Compressed secp256k1 point, 33 bytes as 0x-hex. */
  readonly userKey: string;
  /** Canonical JSON of the hyper-parameters; arbitrary text in an order read from the chain. */
  readonly config: string;
}

/** Encodes the order as the contract's `TaskOrder` struct. */
export function encodeOrder(order: TaskOrder) {
  return {
    ...order,
    validationRoot: order.validationRoot ?? ZeroHash,
    config: toUtf8Bytes(order.config),
  };
}

/** Decodes the contract's `TaskOrder` struct. A config that is not valid UTF-8 reads with replacement characters. */
export function decodeOrder(order: TaskOrderStructOutput): TaskOrder {
  return {
    provider: order.provider,
    nonce: order.nonce,
    units: order.units,
    maxFee: order.maxFee,
    model: order.model,
    datasetRoot: order.datasetRoot as Root,
    validationRoot: order.validationRoot === ZeroHash ? null : (order.validationRoot as Root),
    blindRoot: order.blindRoot,
    userKey: order.userKey,
    config: toUtf8String(order.config, Utf8ErrorFuncs.replace),
  };
}
