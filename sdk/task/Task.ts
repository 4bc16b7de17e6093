import { ZeroHash } from "ethers";
import type { TaskStructOutput } from "../../types/ethers-contracts/interfaces/IFineTuningServing.ts";
import type { Root, TaskId } from "../ids.ts";
import { type Progress, progressOf } from "./progressOf.ts";

/** Where a task stands, in the order of the Solidity enum `TaskState` after None. */
export const TASK_STATES = [
  "Created",
  "Accepted",
  "Delivered",
  "Acknowledged",
  "Revealed",
  "Settled",
  "Cancelled",
  "Failed",
  "Expired",
  "Lapsed",
  "Slashed",
] as const;

export type TaskState = (typeof TASK_STATES)[number];

/** A task as the chain knows it. Money in neuron, times in seconds, null for what is not known yet. */
export interface Task {
  readonly id: TaskId;
  readonly user: string;
  readonly provider: string;
  readonly state: TaskState;
  /** The state in the seed's ten words. */
  readonly progress: Progress;
  /** Unix seconds until which the state may be left by its regular verb; 0 in Created and final states. */
  readonly deadline: number;
  /** From acceptance to the training deadline. */
  readonly trainingTime: number;
  /** Reserved, or earned in full. */
  readonly fee: bigint;
  /** Received by the provider so far. */
  readonly paid: bigint;
  /** Bond in basis points of the fee. */
  readonly bondBps: number;
  /** Share of the fee, in basis points, due when a delivery is never acknowledged. */
  readonly unacknowledgedBps: number;
  /** Bytes of the plaintext archive, as the provider claims; 0 before delivery. */
  readonly size: number;
  /** Merkle root over the hashes of the user's blinding values. */
  readonly blindRoot: string;
  /** The deliverable: storage root of the encrypted model. */
  readonly root: Root | null;
  /** SHA-256 of the container's top page. */
  readonly contentRoot: string | null;
  readonly keyCommit: string | null;
  /** What the provider has revealed. */
  readonly key: string | null;
}

/** Reads the contract's `Task` struct; null for a task that does not exist. */
export function decodeTask(id: TaskId, task: TaskStructOutput): Task | null {
  const state = TASK_STATES[Number(task.state) - 1];
  if (!state) return null;
  return {
    id,
    user: task.user,
    provider: task.provider,
    state,
    progress: progressOf(state),
    deadline: Number(task.deadline),
    trainingTime: Number(task.trainingTime),
    fee: task.fee,
    paid: task.paid,
    bondBps: Number(task.bondBps),
    unacknowledgedBps: Number(task.unacknowledgedBps),
    size: Number(task.size), // one too large to be exact is none that a container can have
    blindRoot: task.blindRoot,
    root: orNull(task.root) as Root | null,
    contentRoot: orNull(task.contentRoot),
    keyCommit: orNull(task.keyCommit),
    key: orNull(task.key),
  };
}

const orNull = (bytes32: string) => (bytes32 === ZeroHash ? null : bytes32);
