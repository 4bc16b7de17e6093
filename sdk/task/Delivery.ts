import type { DeliveryOrderStructOutput } from "../../types/ethers-contracts/interfaces/IFineTuningServing.ts";
import type { Root, TaskId } from "../ids.ts";

/** What a provider delivers. */
export interface Delivery {
  readonly id: TaskId;
  /** Bytes of the plaintext archive. */
  readonly size: number;
  /** Neuron to be paid for the work that was done, at most the fee reserved. */
  readonly fee: bigint;
  /** Storage root of the encrypted model. */
  readonly root: Root;
  /** SHA-256 of the container's top page in plaintext. */
  readonly contentRoot: string;
  /** keccak256 of the key to be revealed. */
  readonly keyCommit: string;
  /** Hash of the training receipt. */
  readonly receiptRoot: string;
}

/** Decodes the contract's `DeliveryOrder` struct. */
export function decodeDelivery(delivery: DeliveryOrderStructOutput): Delivery {
  return {
    id: delivery.id as TaskId,
    size: Number(delivery.size),
    fee: delivery.fee,
    root: delivery.root as Root,
    contentRoot: delivery.contentRoot,
    keyCommit: delivery.keyCommit,
    receiptRoot: delivery.receiptRoot,
  };
}
