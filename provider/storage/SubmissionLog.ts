import type { Root } from "../../sdk/ids.ts";
import type { Submission } from "../../sdk/storage/zerog/submissions.ts";

/** The contract that announces files, and the chain it lies on. */
export interface Flow {
  readonly chainId: number;
  readonly address: string;
}

/** The newest block whose announcements are known. */
export interface SyncedBlock {
  readonly number: number;
  readonly hash: string;
}

/** What has been announced to the Flow contract, in memory: the chain has it all. */
export class SubmissionLog {
  readonly flow: Flow;
  #synced: SyncedBlock | null = null;
  readonly #bySeq = new Map<number, Submission>();
  readonly #byRoot = new Map<Root, Submission[]>();

  constructor(flow: Flow) {
    this.flow = flow;
  }

  get synced(): SyncedBlock | null {
    return this.#synced;
  }

  /** Number that the next announcement will have. */
  get nextSeq(): number {
    return this.#bySeq.size;
  }

  bySeq(seq: number): Submission | undefined {
    return this.#bySeq.get(seq);
  }

  /**
   * The announcement of this content: the newest with that size where it is known (files that differ in zeros at the
   * end share a root), else the newest of all.
   */
  byRoot(root: Root, size?: number): Submission | undefined {
    const all = this.#byRoot.get(root) ?? [];
    return all.findLast((submission) => submission.size === size) ?? all.at(-1);
  }

  /** Takes in what was announced up to and including a block. */
  advance(submissions: readonly Submission[], synced: SyncedBlock): void {
    for (const submission of submissions) {
      this.#bySeq.set(submission.seq, submission);
      this.#byRoot.set(submission.root, [...(this.#byRoot.get(submission.root) ?? []), submission]);
    }
    this.#synced = synced;
  }

  /** Forgets everything: the chain has changed its past. */
  clear(): void {
    this.#bySeq.clear();
    this.#byRoot.clear();
    this.#synced = null;
  }
}
