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
  /** Unix seconds until which the next regular step is possible; 0 in final states. */
  readonly deadline: number;
  /** From acceptance to the training deadline. */
  readonly trainingTime: number;
  /** Reserved for the order. */
  readonly fee: bigint;
  /** Part of the fee that the user does not pay, because less work was done than ordered. */
  readonly rebate: bigint;
  /** Paid to the provider so far. */
  readonly paid: bigint;
  /** Bond in basis points of the fee. */
  readonly bondBps: number;
  /** Share of the fee, in basis points, due if a delivery is never acknowledged. */
  readonly unacknowledgedBps: number;
  /** Number of the offer that it was ordered under, and of the block with the event of its terms. */
  readonly offer: number;
  readonly offerBlock: number;
  /** Numbers of the blocks of its creation and of its last event, demands and answers apart. */
  readonly createdBlock: number;
  readonly movedBlock: number;
  /** Chunks of the delivery that the user has demanded. */
  readonly demands: number;
  /** Number of the chunk demanded last; 0 if there is none. */
  readonly chunk: number;
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
    rebate: task.rebate,
    paid: task.paid,
    bondBps: Number(task.bondBps),
    unacknowledgedBps: Number(task.unacknowledgedBps),
    offer: Number(task.offer),
    offerBlock: Number(task.offerBlock),
    createdBlock: Number(task.createdBlock),
    movedBlock: Number(task.movedBlock),
    demands: Number(task.demands),
    chunk: Number(task.chunk),
    size: Number(task.size),
    root: task.root === ZeroHash ? null : (task.root as Root),
    exchange: task.exchange,
  };
}
