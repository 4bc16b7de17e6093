import type { TaskId } from "../../sdk/ids.ts";
import type { Rates } from "../../sdk/service/Rates.ts";
import type { Unit } from "../../sdk/service/Service.ts";
import type { RecordedOrder } from "../../sdk/task/TaskOrder.ts";
import type { TrainingSteps } from "../../sdk/task/workUnits.ts";
import type { Job, Step } from "../machine/machine.ts";

/**
 * The daemon's persistent state. All methods are synchronous, and durable when they return; those inside `transaction`
 * are committed together or not at all.
 */
export interface Store {
  transaction<T>(work: () => T): T;
  close(): void;

  // -- Blocks and events that have been read ---------------------------------------------------------------------

  /** The last blocks of the ranges that were read, newest first. The first is the cursor. */
  scannedBlocks(): readonly BlockMark[];
  putScannedBlock(block: BlockMark): void;
  /** @returns false if the event is already stored. */
  putEvent(event: EventMark): boolean;
  hasEvent(id: TaskId, name: string): boolean;
  /**
   * Removes all blocks above `number` and their events, and marks transactions mined in them as open.
   * @returns the tasks of those events.
   */
  rewindTo(number: number): readonly TaskId[];

  // -- Jobs ------------------------------------------------------------------------------------------------------

  job(id: TaskId): JobRecord | null;
  /** All jobs that have not ended, oldest first. */
  openJobs(): readonly JobRecord[];
  /** Number of refused orders that their users have not cancelled yet. */
  refusedJobs(): number;
  putJob(record: JobRecord): void;
  /** Records that a task must be read from the chain again. */
  markStale(id: TaskId): void;
  /** Records the same for all open jobs. */
  markOpenStale(): void;
  /** How often a task was marked as stale since it was last read. */
  staleness(id: TaskId): number;
  /** Records that a task was read, unless it was marked again since the reading began at `staleness`. */
  clearStale(id: TaskId, staleness: number): void;
  /** The oldest stale jobs. */
  staleJobs(limit: number): readonly TaskId[];

  // -- Effects: steps to be run, stored in the commit that decided on them ---------------------------------------

  /** Opens a step of this job; no change if it is already open. */
  openEffect(id: TaskId, step: Step): void;
  /** Ends all open effects of this job except `except`. */
  endEffects(id: TaskId, except: Step | null): void;
  openEffects(): readonly Effect[];
  /** Counts a failure of an open step. */
  failEffect(id: TaskId, step: Step, strikes: number): void;

  // -- Transactions, in one sequence of nonces -------------------------------------------------------------------

  /** The open transaction for this effect, if there is one. */
  openTransaction(effect: string): StoredTransaction | null;
  openTransactions(): readonly StoredTransaction[];
  /** The newest transaction for this effect that was mined successfully. */
  minedTransaction(effect: string): StoredTransaction | null;
  /** Transactions with this nonce or a higher one, by nonce, in any status. */
  transactionsFrom(nonce: number): readonly (StoredTransaction & {
    readonly status: "signed" | TransactionEnd["status"];
  })[];
  highestNonce(): number | null;
  /** Records that a mined transaction is no longer mined. */
  reopenTransaction(nonce: number): void;
  /**
   * Stores a signed transaction before it is broadcast. A new version for the same nonce replaces earlier ones: with
   * higher fees, or with another effect.
   */
  putSigned(nonce: number, effect: string, signed: SignedVersion): void;
  endTransaction(nonce: number, end: TransactionEnd): void;

  // -- Secrets, API ----------------------------------------------------------------------------------------------

  /** The encrypted key of a deliverable, bound to the archive that it encrypts. */
  deliverableKey(id: TaskId): { readonly archive: string; readonly key: Uint8Array } | null;
  putDeliverableKey(id: TaskId, archive: string, key: Uint8Array): void;
  /** @returns false if the user has used this nonce before. It is forgotten after `deadline`, in unix seconds. */
  useNonce(user: string, nonce: string, deadline: number, now: number): boolean;
}

export interface BlockMark {
  readonly number: number;
  readonly hash: string;
}

export interface EventMark {
  readonly id: TaskId;
  readonly name: string;
  readonly blockNumber: number;
  readonly blockHash: string;
  readonly transactionHash: string;
  readonly logIndex: number;
}

/** One task and the provider's work on it. */
export interface JobRecord {
  readonly id: TaskId;
  readonly user: string;
  /** Neuron. */
  readonly fee: bigint;
  readonly order: RecordedOrder;
  /** Block of its creation. */
  readonly blockNumber: number;
  readonly job: Job;
  readonly facts: Facts;
}

/** Results of a job's steps, for later steps. */
export interface Facts {
  /** The unit of dataset sizes, and the fewest units of work, when the order was verified. */
  readonly unit?: Unit;
  readonly minimumUnits?: number;
  /** The model's rates when the order was verified. */
  readonly rates?: Rates;
  /** Expected size of the trained model, in bytes. */
  readonly outputBytes?: number;
  /** Name of the base model in the catalogue. */
  readonly model?: string;
  /** Datasets, relative to the job directory. */
  readonly train?: string;
  readonly validation?: string | null;
  /** Sizes of the datasets as counted, in the service's unit. */
  readonly sizes?: { readonly train: number; readonly validation: number };
  /** How far the training got. */
  readonly done?: TrainingSteps;
  /** SHA-256 of the plaintext archive as hex, and its size in bytes. */
  readonly archive?: string;
  readonly size?: number;
  readonly contentRoot?: string;
  readonly root?: string;
  readonly receiptRoot?: string;
}

export interface Effect {
  readonly id: TaskId;
  readonly step: Step;
  /** Consecutive failures. */
  readonly failures: number;
  /** Consecutive failures that count against the task. */
  readonly strikes: number;
}

export interface SignedVersion {
  readonly hash: string;
  /** The signed transaction as 0x-hex. */
  readonly raw: string;
}

export interface StoredTransaction {
  readonly nonce: number;
  readonly effect: string;
  /** Oldest first. All have the same nonce, so at most one of them is mined. */
  readonly versions: readonly SignedVersion[];
}

export type TransactionEnd =
  | { readonly status: "mined" | "reverted"; readonly blockNumber: number }
  /** The nonce was used by a transaction that this daemon did not sign. */
  | { readonly status: "lost" };
