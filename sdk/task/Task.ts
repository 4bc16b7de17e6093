import { ZeroHash } from "ethers";
import type { TaskStructOutput } from "../../types/ethers-contracts/interfaces/IFineTuningServing.ts";
import type { Root, TaskId } from "../ids.ts";
import { TASK_STATES, type TaskState } from "../taskStates.ts";
import { type Progress, progressOf } from "./progressOf.ts";

/** A task as it is on chain. Amounts are in neuron, times in seconds; null means not known yet. */
export interface Task {
  readonly id: TaskId;
  readonly user: string;
  readonly provider: string;
  readonly state: TaskState;
  /** The state as one of the ten values of PROGRESS. */
  readonly progress: Progress;
  /** Unix seconds until which the next regular step is possible; 0 in Created and in final states. */
  readonly deadline: number;
  /** From acceptance to the training deadline. */
  readonly trainingTime: number;
  /** Reserved for the provider, or paid in full. */
  readonly fee: bigint;
  /** Paid to the provider so far. */
  readonly paid: bigint;
  /** Bond in basis points of the fee. */
  readonly bondBps: number;
  /** Share of the fee, in basis points, due if a delivery is never acknowledged. */
  readonly unacknowledgedBps: number;
  /** Bytes of the plaintext archive, as the provider claims; 0 before delivery. */
  readonly size: number;
  /** The deliverable: storage root of the encrypted model. */
  readonly root: Root | null;
  /** blindRoot until delivery, then keccak256 of blindRoot, contentRoot and keyCommit; getDelivery reads all three. */
  readonly exchange: string;
}

/** Decodes the contract's `Task` struct; null for a task that does not exist. */
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
    size: Number(task.size),
    root: task.root === ZeroHash ? null : (task.root as Root),
    exchange: task.exchange,
  };
}
