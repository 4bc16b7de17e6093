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
  /** Blocks on top of the one that holds a transaction before it counts. */
  readonly confirmations: number;
  /** Milliseconds between two looks for the receipt. */
  readonly pollInterval: number;
}

export interface Submission {
  readonly id: TaskId;
  /** With the task, names what is to happen: at most one transaction for it is under way. */
  readonly step: ChainStep | Extract<LocalStep, "upload">;
  readonly call: Call;
  /** Asks the chain whether it has happened already. */
  readonly isDone: () => Promise<boolean>;
  /** Asked for as long as no node has taken the call. @throws when it is too late to show it to anybody. */
  readonly requireTime?: () => Promise<void>;
}

/** Blocks that must be made without a transaction before its fees are looked at again. */
const STUCK_AFTER_BLOCKS = 3;
/**
 * Blocks after which a transaction that asks for no more than the chain is replaced all the same: after a reorganization
 * a node can keep one that it never offers to a block, and answers to every other offer that it knows it.
 */
const FORGOTTEN_AFTER_BLOCKS = 20;
/** Versions that are made for that reason: an endpoint that only holds transactions back does not raise their price. */
const MAX_VERSIONS = 4;
/** Milliseconds between two broadcasts of the same transaction: nodes forget. */
const REBROADCAST_INTERVAL = 15_000;
/**
 * Times in a row that a used nonce must come without a receipt before the transaction counts as lost: of several nodes
 * behind one endpoint, one may know the count and another not yet the receipt.
 */
const CHECKS_UNTIL_LOST = 3;
/** Gas of a transfer without data. */
const TRANSFER_GAS = 21_000n;

/**
 * The one place that sends transactions, in one lane of nonces. A transaction is stored before it is broadcast. After
 * a crash its step is taken again and broadcasts the same one again, which the chain takes at most once; it is the step
 * that does so, since only the step knows whether it is too late (a key must not be shown after its deadline).
 */
export class Submitter {
  readonly #options: SubmitterOptions;
  readonly #broadcaster: Broadcaster;
  readonly #queue = new PriorityQueue();
  /** The count of used nonces when the lane was last looked after. */
  #lastCount: number | null = null;

  constructor(options: SubmitterOptions) {
    this.#options = options;
    this.#broadcaster = new Broadcaster(options);
  }

  /**
   * Makes an effect happen and waits until it is confirmed.
   * @throws ProtocolError with the decoded revert when the call would fail: nothing is sent then.
   * @throws ProviderError (retryable) when it was mined and reverted, or its nonce was used by somebody else.
   */
  async submit(submission: Submission, signal: AbortSignal): Promise<void> {
    const isUrgent = submission.step === "reveal";
    const sign = () => this.#openOrSign(submission);
    const last = await this.#queue.run(sign, { isUrgent });
    if (last) await this.#settle(last, submission, signal);
  }

  /**
   * Keeps the lane moving: a nonce below one that waits, whose transaction vanished in a reorganization or whose step
   * nobody wants any more, would hold up everything behind it for ever. The steps that are still wanted look after
   * their own transactions; of all others, those that are in a block are ended, and the rest are replaced by a transfer
   * of nothing to oneself.
   */
  unblock(signal: AbortSignal): Promise<void> {
    return this.#queue.run(async () => {
      const { client, store } = this.#options;
      const address = await requireSigner(client).getAddress();
      const count = await readChain(client, () =>
        client.provider.getTransactionCount(address, "latest"),
      );
      // A nonce that is missing stays missing; one that only a lagging node misses comes by the next look.
      const isStuck = count === this.#lastCount;
      this.#lastCount = count;
      if (isStuck) await this.#fillFrom(count, signal);
      for (const row of store.openTransactions()) {
        if (row.nonce < count && !this.#isWanted(row.effect)) await this.#endUnwanted(row);
      }
    });
  }

  /** Fills each nonce from this one on whose transaction is missing or not wanted. */
  async #fillFrom(first: number, signal: AbortSignal): Promise<void> {
    const { store } = this.#options;
    const highest = store.highestNonce() ?? -1;
    const known = new Map(store.transactionsFrom(first).map((row) => [row.nonce, row]));
    for (let nonce = first; nonce <= highest && !signal.aborted; nonce++) {
      const row = known.get(nonce);
      if (row?.status !== "signed" || !this.#isWanted(row.effect)) await this.#fill(nonce);
    }
  }

  /** Whether the step that a transaction was made for is still to be taken, and so looks after it. */
  #isWanted(effect: string): boolean {
    const [uuid, step] = effect.split("/");
    if (uuid === VOID) return false;
    return this.#options.store.job(parseTaskId(uuid!))?.job.pending === step;
  }

  async #endUnwanted(row: StoredTransaction): Promise<void> {
    const { end } = await this.#find(row);
    if (hasEnded(end) && end.status !== "lost") this.#options.store.endTransaction(row.nonce, end);
  }

  /** Makes sure that a transaction without effect can take this nonce, in place of what was meant for it. */
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
    call,
    isDone,
    requireTime,
  }: Submission): Promise<Broadcast | null> {
    const { store, log } = this.#options;
    const effect = `${formatTaskId(id)}/${step}`;
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
   * The effect is not there, and yet its transaction was mined: the chain was reorganized and nobody has noticed so
   * far. The same transaction is offered again, so that it cannot happen twice should it come back by itself.
   * @returns false when there is none to offer again.
   * @throws ProviderError when its receipt is still there: the endpoint contradicts itself, which passes.
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
    log.warn({ effect, nonce: mined.nonce }, "transaction vanished from the chain, offered again");
    return true;
  }

  /**
   * Counts what waits in the node, too: the operator may use the same key elsewhere. What was used once is not used
   * again even where a lagging node says so: `tend` fills the gaps.
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
    let looksLost = 0;
    const isStuckAt = afterBlocks(STUCK_AFTER_BLOCKS);
    const isForgottenAt = afterBlocks(FORGOTTEN_AFTER_BLOCKS);
    while (true) {
      const { end, head } = await this.#find(last.transaction);
      looksLost = hasEnded(end) && end.status === "lost" ? looksLost + 1 : 0;
      if (hasEnded(end) && (looksLost === 0 || looksLost >= CHECKS_UNTIL_LOST))
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

  /** Whether the node is to see the transaction again, which may have another version by then. */
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

  /** @throws ProviderError when it was not mined with success */
  async #end(transaction: StoredTransaction, end: TransactionEnd): Promise<void> {
    const { identity, store, log } = this.#options;
    const { nonce, effect } = transaction;
    if (end.status === "lost") await identity.verify(); // on another chain, every transaction is
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

/** Says of each newest block whether so many have come since the first, or since it last said so. */
function afterBlocks(count: number): (head: number) => boolean {
  let judgedAt = Number.POSITIVE_INFINITY;
  return (head) => {
    judgedAt = Math.min(judgedAt, head);
    const isDue = head - judgedAt >= count;
    if (isDue) judgedAt = head;
    return isDue;
  };
}
