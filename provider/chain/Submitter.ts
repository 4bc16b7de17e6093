import { requireSigner } from "../../sdk/client.ts";
import { formatTaskId, parseTaskId, type TaskId } from "../../sdk/ids.ts";
import type { Call } from "../../sdk/transaction/Call.ts";
import { readChain } from "../../sdk/transaction/readChain.ts";
import type { ChainStep, LocalStep } from "../machine/machine.ts";
import type { StoredTransaction, TransactionEnd } from "../store/Store.ts";
import { type Broadcast, Broadcaster, type BroadcasterOptions, VOID } from "./Broadcaster.ts";
import { PriorityQueue } from "./PriorityQueue.ts";
import {
  contradictionError,
  type FoundTransaction,
  findTransaction,
  hadEffect,
  hasEnded,
  unsuccessfulError,
} from "./transactionEnd.ts";

export interface SubmitterOptions extends BroadcasterOptions {
  /** Blocks on top of a transaction's block before the transaction counts as confirmed. */
  readonly confirmations: number;
  /** Milliseconds between checks for the receipt. */
  readonly pollInterval: number;
}

export interface Submission {
  readonly id: TaskId;
  /** Together with the task, identifies the effect: at most one transaction for it is open. */
  readonly step: ChainStep | Extract<LocalStep, "upload">;
  /** Distinguishes the effects of a step that one task may need several times. */
  readonly round?: number;
  readonly call: Call;
  /** Checks on chain whether the effect has already happened. */
  readonly isDone: () => Promise<boolean>;
  /** Called as long as no node has accepted the call. @throws if it is too late to make the call public. */
  readonly requireTime?: () => Promise<void>;
}

/** Blocks without the transaction after which its fees are checked again. */
const STUCK_AFTER_BLOCKS = 3;
/**
 * Blocks after which even a transaction whose price is sufficient is replaced: after a reorganization, a node can keep
 * one that it never puts into a block, and respond to every rebroadcast that it already knows it.
 */
const FORGOTTEN_AFTER_BLOCKS = 20;
/** Most versions made for that reason, so that an endpoint that withholds transactions cannot raise their price. */
const MAX_VERSIONS = 4;
/** Milliseconds between broadcasts of the same transaction: nodes may drop it. */
const REBROADCAST_INTERVAL = 15_000;
/**
 * Consecutive checks that must find the nonce used but no receipt before the transaction counts as lost: of several
 * nodes behind one endpoint, one may know the count while another does not have the receipt yet.
 */
const CHECKS_UNTIL_LOST = 3;
/** Gas of a transfer without data. */
const TRANSFER_GAS = 21_000n;

/**
 * The only place that sends transactions, in one sequence of nonces. A transaction is stored before it is broadcast.
 * After a crash its step runs again and rebroadcasts the same transaction, which can be mined at most once. The step
 * does so itself, since only it knows whether it is too late (a key must not become public after its deadline).
 */
export class Submitter {
  readonly #options: SubmitterOptions;
  readonly #broadcaster: Broadcaster;
  readonly #queue = new PriorityQueue();
  /** The account's transaction count at the last `unblock`. */
  #lastCount: number | null = null;

  constructor(options: SubmitterOptions) {
    this.#options = options;
    this.#broadcaster = new Broadcaster(options);
  }

  /**
   * Sends a transaction for an effect and waits until it is confirmed.
   * @throws ProtocolError with the decoded revert if the call would fail: nothing is sent then.
   * @throws ProviderError (retryable) if it was mined and reverted, or its nonce was used elsewhere.
   */
  async submit(submission: Submission, signal: AbortSignal): Promise<void> {
    const isUrgent = submission.step === "reveal" || submission.step === "answer";
    const sign = () => this.#openOrSign(submission);
    const last = await this.#queue.run(sign, { isUrgent });
    if (last) await this.#settle(last, submission, signal);
  }

  /**
   * Prevents a nonce gap from blocking later transactions for ever: a transaction may have vanished in a
   * reorganization, or its step may no longer be needed. Pending steps take care of their own transactions. Of all
   * others, those that were mined are ended, and the rest are replaced by a transfer of zero to the wallet itself.
   */
  unblock(signal: AbortSignal): Promise<void> {
    return this.#queue.run(async () => {
      const { client, store } = this.#options;
      const address = await requireSigner(client).getAddress();
      const count = await readChain(client, () =>
        client.provider.getTransactionCount(address, "latest"),
      );
      // A real gap persists; one that only a lagging node shows is closed at the next call.
      const isStuck = count === this.#lastCount;
      this.#lastCount = count;
      if (isStuck) await this.#fillFrom(count, signal);
      for (const row of store.openTransactions()) {
        if (row.nonce < count && !this.#isWanted(row.effect)) await this.#endUnwanted(row);
      }
    });
  }

  /** Fills each nonce, from this one on, whose transaction is missing or no longer needed. */
  async #fillFrom(first: number, signal: AbortSignal): Promise<void> {
    const { store } = this.#options;
    const highest = store.highestNonce() ?? -1;
    const known = new Map(store.transactionsFrom(first).map((row) => [row.nonce, row]));
    for (let nonce = first; nonce <= highest && !signal.aborted; nonce++) {
      const row = known.get(nonce);
      if (row?.status !== "signed" || !this.#isWanted(row.effect)) await this.#fill(nonce);
    }
  }

  /** Whether the step of a transaction is still pending, and so takes care of it. */
  #isWanted(effect: string): boolean {
    const [uuid, step] = effect.split("/");
    if (uuid === VOID) return false;
    return this.#options.store.job(parseTaskId(uuid!))?.job.pending === step;
  }

  async #endUnwanted(row: StoredTransaction): Promise<void> {
    const { end } = await this.#find(row);
    if (hasEnded(end) && end.status !== "lost") this.#options.store.endTransaction(row.nonce, end);
  }

  /** Makes sure that a transaction without effect can use this nonce, instead of the one signed for it. */
  async #fill(nonce: number): Promise<void> {
    const { client, store, log } = this.#options;
    const effect = `${VOID}/${nonce}`;
    const before = store.transactionsFrom(nonce).find((row) => row.nonce === nonce);
    if (before?.effect !== effect || before.status !== "signed") {
      const to = await requireSigner(client).getAddress();
      await this.#broadcaster.sign(
        nonce,
        effect,
        { to, value: 0n, gasLimit: TRANSFER_GAS },
        before ?? null,
      );
      log.warn({ nonce, instead: before?.effect ?? null }, "nonce filled without effect");
    } else {
      await this.#broadcaster.raiseFees(before, null);
    }
    await this.#broadcaster.broadcast(store.openTransaction(effect)!);
  }

  async #openOrSign({
    id,
    step,
    round,
    call,
    isDone,
    requireTime,
  }: Submission): Promise<Broadcast | null> {
    const { store, log } = this.#options;
    const effect = [formatTaskId(id), step, ...(round === undefined ? [] : [round])].join("/");
    if (!store.openTransaction(effect)) {
      if (await isDone()) return null;
      await requireTime?.();
      if (!(await this.#reopenVanished(effect))) {
        const nonce = await this.#nextNonce();
        const { to, data, value } = call;
        await this.#broadcaster.sign(nonce, effect, { to, data, value }, null);
        log.info({ task: formatTaskId(id), step, nonce }, "transaction signed");
      }
    }
    return this.#broadcaster.broadcast(store.openTransaction(effect)!);
  }

  /**
   * Handles an effect that is missing although its transaction was mined: a reorganization that was not noticed so far.
   * The same transaction is broadcast again, so that the effect cannot happen twice if the old one reappears.
   * @returns false if there is none to broadcast again.
   * @throws ProviderError if its receipt still exists: the endpoint contradicts itself, which is temporary.
   */
  async #reopenVanished(effect: string): Promise<boolean> {
    const { client, store, log } = this.#options;
    const mined = store.minedTransaction(effect);
    if (!mined) return false;
    const { end } = await this.#find(mined);
    const isMined = end === "waiting" || (hasEnded(end) && end.status === "mined");
    if (isMined && (await hadEffect(client, mined))) throw contradictionError(effect);
    if (isMined) return false;
    if (hasEnded(end)) return false;
    const address = await requireSigner(client).getAddress();
    const used = await readChain(client, () =>
      client.provider.getTransactionCount(address, "latest"),
    );
    if (used > mined.nonce) return false;
    store.reopenTransaction(mined.nonce);
    log.warn({ effect, nonce: mined.nonce }, "transaction vanished from the chain, sent again");
    return true;
  }

  /**
   * Includes the node's pending transactions: the operator may use the same key elsewhere. A nonce that was used once
   * is never used again, even if a lagging node reports it as free: `unblock` fills the gaps.
   */
  async #nextNonce(): Promise<number> {
    const { client, store } = this.#options;
    const address = await requireSigner(client).getAddress();
    const count = await readChain(client, () =>
      client.provider.getTransactionCount(address, "pending"),
    );
    return Math.max(count, (store.highestNonce() ?? -1) + 1);
  }

  async #settle(first: Broadcast, { requireTime }: Submission, signal: AbortSignal): Promise<void> {
    const { clock, pollInterval } = this.#options;
    let last = first;
    let isShown = first.refusal === null;
    let lostChecks = 0;
    const isStuckAt = afterBlocks(STUCK_AFTER_BLOCKS);
    const isForgottenAt = afterBlocks(FORGOTTEN_AFTER_BLOCKS);
    while (true) {
      const { end, head } = await this.#find(last.transaction);
      lostChecks = hasEnded(end) && end.status === "lost" ? lostChecks + 1 : 0;
      if (hasEnded(end) && (lostChecks === 0 || lostChecks >= CHECKS_UNTIL_LOST))
        return this.#end(last.transaction, end);
      await clock.sleep(pollInterval, signal);
      signal.throwIfAborted();
      if (end !== "unknown") continue;
      const isDue = clock.now() - last.at > REBROADCAST_INTERVAL;
      const delay = { isStuck: isStuckAt(head), isForgotten: isForgottenAt(head), isDue };
      if (!(await this.#shouldBroadcast(last, delay))) continue;
      if (!isShown) await requireTime?.();
      last = await this.#broadcaster.broadcast(this.#current(last));
      isShown ||= last.refusal === null;
    }
  }

  /** Whether to broadcast the transaction again. It may have a new version by then. */
  async #shouldBroadcast(
    { transaction, refusal }: Broadcast,
    { isStuck, isForgotten, isDue }: Readonly<Record<"isStuck" | "isForgotten" | "isDue", boolean>>,
  ): Promise<boolean> {
    if (refusal === "insufficient-funds") {
      if (isDue) await this.#broadcaster.reprice(transaction);
      return isDue;
    }
    if (isStuck && (await this.#broadcaster.raiseFees(transaction, refusal))) return true;
    const current = this.#current({ transaction });
    const isReplaced =
      isForgotten &&
      current.versions.length < MAX_VERSIONS &&
      (await this.#broadcaster.replace(current));
    return isReplaced || isDue;
  }

  #current({ transaction }: Pick<Broadcast, "transaction">): StoredTransaction {
    return this.#options.store.openTransaction(transaction.effect) ?? transaction;
  }

  /** @throws ProviderError if it was not mined successfully */
  async #end(transaction: StoredTransaction, end: TransactionEnd): Promise<void> {
    const { identity, store, log } = this.#options;
    const { nonce, effect } = transaction;
    if (end.status === "lost") await identity.verify(); // on another chain, every transaction seems lost
    store.endTransaction(nonce, end);
    this.#broadcaster.forget(transaction);
    log.info({ effect, nonce, ...end }, "transaction ended");
    if (end.status !== "mined") throw unsuccessfulError(effect, end.status);
  }

  #find(transaction: StoredTransaction): Promise<FoundTransaction> {
    const { client, confirmations } = this.#options;
    return findTransaction(client, transaction, confirmations);
  }
}

/** Returns true for every `count` blocks, counted from the first call. */
function afterBlocks(count: number): (head: number) => boolean {
  let judgedAt = Number.POSITIVE_INFINITY;
  return (head) => {
    judgedAt = Math.min(judgedAt, head);
    const isDue = head - judgedAt >= count;
    if (isDue) judgedAt = head;
    return isDue;
  };
}
