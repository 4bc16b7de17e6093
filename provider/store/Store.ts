import type { TaskId } from "../../sdk/ids.ts";
import type { Unit } from "../../sdk/service/Service.ts";
import type { TaskOrder } from "../../sdk/task/TaskOrder.ts";
import type { Job, Step } from "../machine/machine.ts";

/**
 * What the daemon remembers. All methods are synchronous and durable when they return; those inside `transaction`
 * are written together or not at all.
 */
export interface Store {
  transaction<T>(work: () => T): T;
  close(): void;

  // -- What has been seen of the chain ---------------------------------------------------------------------------

  /** Ends of the ranges that were read, newest first. The first is the cursor. */
  scannedBlocks(): readonly BlockMark[];
  putScannedBlock(block: BlockMark): void;
  /** False when the event was there already. */
  putEvent(event: EventMark): boolean;
  hasEvent(id: TaskId, name: string): boolean;
  /**
   * Forgets all blocks above `number`: their events, and that transactions were mined in them.
   * @returns the tasks those events were about.
   */
  rewindTo(number: number): readonly TaskId[];

  // -- Jobs ------------------------------------------------------------------------------------------------------

  job(id: TaskId): JobRecord | null;
  /** All jobs that are not over, oldest first. */
  openJobs(): readonly JobRecord[];
  /** How many orders were refused and are still to be cancelled by their users. */
  refusedJobs(): number;
  putJob(record: JobRecord): void;
  /** Notes that a task has to be read from the chain again. */
  markStale(id: TaskId): void;
  /** The same for every task that is not over. */
  markOpenStale(): void;
  /** How often that was noted since the task was last read. */
  staleness(id: TaskId): number;
  /** Notes that a task was read, unless there was more to read than `staleness` when that began. */
  clearStale(id: TaskId, staleness: number): void;
  /** The oldest of them. */
  staleJobs(limit: number): readonly TaskId[];

  // -- Effects: steps to be taken, written in the commit that decided on them ------------------------------------

  /** Opens the step of this job; nothing changes when it is open already. */
  openEffect(id: TaskId, step: Step): void;
  /** Ends whatever is open for this job, but for `except`. */
  endEffects(id: TaskId, except: Step | null): void;
  openEffects(): readonly Effect[];
  /** Counts a failure of an open step. */
  failEffect(id: TaskId, step: Step, strikes: number): void;

  // -- The nonce lane --------------------------------------------------------------------------------------------

  /** The transaction under way for this effect, if there is one. */
  openTransaction(effect: string): StoredTransaction | null;
  openTransactions(): readonly StoredTransaction[];
  /** The newest transaction for this effect that was mined with success. */
  minedTransaction(effect: string): StoredTransaction | null;
  /** Transactions of this nonce and above, by nonce, whatever became of them. */
  transactionsFrom(nonce: number): readonly (StoredTransaction & {
    readonly status: "signed" | TransactionEnd["status"];
  })[];
  highestNonce(): number | null;
  /** Notes that a transaction that was mined is mined no longer. */
  reopenTransaction(nonce: number): void;
  /**
   * Stores a signed transaction before it is broadcast. Another version of the same nonce replaces those before, for
   * higher fees or, with another effect, by something else.
   */
  putSigned(nonce: number, effect: string, signed: SignedVersion): void;
  endTransaction(nonce: number, end: TransactionEnd): void;

  // -- Secrets, API ----------------------------------------------------------------------------------------------

  /** The protected key of a deliverable, bound to the archive that it encrypts. */
  deliverableKey(id: TaskId): { readonly archive: string; readonly key: Uint8Array } | null;
  putDeliverableKey(id: TaskId, archive: string, key: Uint8Array): void;
  /** False when the user has used this nonce before. `deadline` is in unix seconds, after which it is forgotten. */
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

/** One task as this provider works on it. */
export interface JobRecord {
  readonly id: TaskId;
  readonly user: string;
  /** Neuron. */
  readonly fee: bigint;
  readonly order: TaskOrder;
  /** Block of its creation. */
  readonly blockNumber: number;
  readonly job: Job;
  readonly facts: Facts;
}

/** What the steps of a job found out, each for the steps after it. */
export interface Facts {
  /** The unit in which the order's size is declared. */
  readonly unit?: Unit;
  /** Bytes that the trained model is expected to have. */
  readonly outputBytes?: number;
  /** Name of the base model in the catalogue. */
  readonly model?: string;
  /** Datasets, relative to the job directory. */
  readonly train?: string;
  readonly validation?: string | null;
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
  /** Times in a row that it was tried and failed. */
  readonly failures: number;
  /** Of them in a row, those that speak against the task. */
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
  /** Oldest first; they differ in their fees only, so at most one of them is mined. */
  readonly versions: readonly SignedVersion[];
}

export type TransactionEnd =
  | { readonly status: "mined" | "reverted"; readonly blockNumber: number }
  /** Somebody else used the nonce. */
  | { readonly status: "lost" };
