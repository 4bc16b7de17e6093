import type { Root } from "../../sdk/ids.ts";
import type { Submission } from "../../sdk/storage/zerog/submissions.ts";

/** The contract to which files are announced, and its chain. */
export interface Flow {
  readonly chainId: number;
  readonly address: string;
}

/** The newest block whose announcements are known. */
export interface SyncedBlock {
  readonly number: number;
  readonly hash: string;
}

/** The announcements to the Flow contract, only in memory: they can be read from the chain again. */
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

  /** Number of the next announcement. */
  get nextSeq(): number {
    return this.#bySeq.size;
  }

  bySeq(seq: number): Submission | undefined {
    return this.#bySeq.get(seq);
  }

  /**
   * The newest announcement of this root with the given size, else the newest of this root: files that differ only in
   * trailing zeros have the same root.
   */
  byRoot(root: Root, size?: number): Submission | undefined {
    const all = this.#byRoot.get(root) ?? [];
    return all.findLast((submission) => submission.size === size) ?? all.at(-1);
  }

  /** Adds the announcements up to and including a block. */
  advance(submissions: readonly Submission[], synced: SyncedBlock): void {
    for (const submission of submissions) {
      this.#bySeq.set(submission.seq, submission);
      this.#byRoot.set(submission.root, [...(this.#byRoot.get(submission.root) ?? []), submission]);
    }
    this.#synced = synced;
  }

  /** Removes everything, after a reorganization. */
  clear(): void {
    this.#bySeq.clear();
    this.#byRoot.clear();
    this.#synced = null;
  }
}
