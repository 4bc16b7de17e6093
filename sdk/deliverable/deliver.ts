import type { DeliveryOrderStructOutput } from "../../types/ethers-contracts/interfaces/IFineTuningServing.ts";
import type { Client } from "../client.ts";
import type { Root, TaskId } from "../ids.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** What a provider delivers. */
export interface Delivery {
  readonly id: TaskId;
  /** Bytes of the plaintext archive. */
  readonly size: number;
  /** Storage root of the encrypted model. */
  readonly root: Root;
  /** SHA-256 of the container's top page, in clear. */
  readonly contentRoot: string;
  /** keccak256 of the key to be revealed. */
  readonly keyCommit: string;
  /** Hash of the training receipt. */
  readonly receiptRoot: string;
}

/** Posts the deliverable as the task's provider. Once, before the training deadline. */
export function deliver(client: Client, { delivery }: { delivery: Delivery }): Call {
  return servingCall(client, "deliver", [delivery]);
}

/** Reads the contract's `DeliveryOrder` struct. */
export function decodeDelivery(delivery: DeliveryOrderStructOutput): Delivery {
  return {
    id: delivery.id as TaskId,
    size: Number(delivery.size),
    root: delivery.root as Root,
    contentRoot: delivery.contentRoot,
    keyCommit: delivery.keyCommit,
    receiptRoot: delivery.receiptRoot,
  };
}
