import { keccak256, Transaction, type TransactionReceipt, type TransactionRequest } from "ethers";
import type { Logger } from "pino";
import { type Client, requireSigner } from "../../sdk/client.ts";
import { formatTaskId, parseTaskId, type TaskId } from "../../sdk/ids.ts";
import type { Call } from "../../sdk/transaction/Call.ts";
import { readChain } from "../../sdk/transaction/readChain.ts";
import type { Clock } from "../clock.ts";
import { ProviderError } from "../errors.ts";
import type { ChainStep, LocalStep } from "../jobs/machine.ts";
import type { Store, StoredTransaction, TransactionEnd } from "../store/Store.ts";

export interface SubmitterOptions {
  readonly client: Client;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
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
}

/** Milliseconds after which a transaction that nobody mines is offered with higher fees. */
const STUCK_AFTER = 60_000;
/** Milliseconds between two broadcasts of the same transaction: nodes forget. */
const REBROADCAST_EVERY = 15_000;
/**
 * Times in a row that a used nonce must come without a receipt before the transaction counts as lost: of several nodes
 * behind one endpoint, one may know the count and another not yet the receipt.
 */
const LOOKS_UNTIL_LOST = 3;
/** Nodes replace a transaction for at least a tenth more. */
const RAISE_PERCENT = 125n;
const GAS_PERCENT = 120n;
/** In place of a task's id: transactions that only use up a nonce. */
const VOID = "void";
/** Gas of a transfer without data. */
const TRANSFER_GAS = 21_000n;

/**
 * The one place that sends transactions, in one lane of nonces. A transaction is stored before it is broadcast. After
 * a crash its step is taken again and broadcasts the same one again, which the chain takes at most once; it is the step
 * that does so, since only the step knows whether it is too late (a key must not be shown after its deadline).
 */
export class Submitter {
  readonly #options: SubmitterOptions;
  #lane: Promise<unknown> = Promise.resolve();
  /** The count of used nonces when the lane was last looked after. */
  #tendedCount: number | null = null;

  constructor(options: SubmitterOptions) {
    this.#options = options;
  }

  /**
   * Makes an effect happen and waits until it is confirmed.
   * @throws ProtocolError with the decoded revert when the call would fail: nothing is sent then.
   * @throws ProviderError (retryable) when it was mined and reverted, or its nonce was used by somebody else.
   */
  async submit(submission: Submission, signal: AbortSignal): Promise<void> {
    const transaction = await this.#inLane(() => this.#openOrSign(submission));
    if (transaction) await this.#settle(transaction, signal);
  }

  /**
   * Keeps the lane moving: a nonce below one that waits, whose transaction vanished in a reorganization or whose step
   * nobody wants any more, would hold up everything behind it for ever. The steps that are still wanted look after
   * their own transactions; of all others, those that are in a block are ended, and the rest are replaced by a transfer
   * of nothing to oneself.
   */
  tend(signal: AbortSignal): Promise<void> {
    return this.#inLane(async () => {
      const { client, store } = this.#options;
      const address = await requireSigner(client).getAddress();
      const count = await readChain(client, () =>
        client.provider.getTransactionCount(address, "latest"),
      );
      // A nonce that is missing stays missing; one that only a lagging node misses comes by the next look.
      const isStuck = count === this.#tendedCount;
      this.#tendedCount = count;
      const highest = isStuck ? (store.highestNonce() ?? -1) : -1;
      const known = new Map(store.transactionsFrom(count).map((row) => [row.nonce, row]));
      for (let nonce = count; nonce <= highest && !signal.aborted; nonce++) {
        const row = known.get(nonce);
        if (row?.status !== "signed" || !this.#isWanted(row.effect)) await this.#fill(nonce);
      }
      for (const row of store.openTransactions()) {
        if (row.nonce < count && !this.#isWanted(row.effect)) await this.#endUnwanted(row);
      }
    });
  }

  /** Whether the step that a transaction was made for is still to be taken, and so looks after it. */
  #isWanted(effect: string): boolean {
    const [uuid, step] = effect.split("/");
    if (uuid === VOID) return false;
    return this.#options.store.job(parseTaskId(uuid!))?.job.pending === step;
  }

  async #endUnwanted(row: StoredTransaction): Promise<void> {
    const end = await this.#endOf(row);
    if (hasEnded(end) && end.status !== "lost") this.#options.store.endTransaction(row.nonce, end);
  }

  /** Makes sure that a transaction without effect can take this nonce, in place of what was meant for it. */
  async #fill(nonce: number): Promise<void> {
    const { client, store, log } = this.#options;
    const effect = `${VOID}/${nonce}`;
    if (!store.openTransaction(effect)) {
      const before = store.transactionsFrom(nonce).find((row) => row.nonce === nonce);
      const fees = before && raisedFees(Transaction.from(before.versions.at(-1)!.raw));
      const to = await requireSigner(client).getAddress();
      await this.#sign(nonce, effect, { to, value: 0n, gasLimit: TRANSFER_GAS, ...fees });
      log.warn({ nonce, instead: before?.effect ?? null }, "nonce filled without effect");
    }
    await this.#broadcast(store.openTransaction(effect)!);
  }

  async #openOrSign({ id, step, call, isDone }: Submission): Promise<StoredTransaction | null> {
    const { store, log } = this.#options;
    const effect = `${formatTaskId(id)}/${step}`;
    if (!store.openTransaction(effect)) {
      if (await isDone()) return null;
      if (!(await this.#reopenVanished(effect))) {
        const nonce = await this.#nextNonce();
        await this.#sign(nonce, effect, { to: call.to, data: call.data, value: call.value });
        log.info({ task: formatTaskId(id), step, nonce }, "transaction signed");
      }
    }
    const transaction = store.openTransaction(effect)!;
    await this.#broadcast(transaction);
    return transaction;
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
    const end = await this.#endOf(mined);
    const isMined = end === "waiting" || (hasEnded(end) && end.status === "mined");
    if (isMined && (await this.#hadEffect(mined))) throw contradictory(effect);
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

  /** A batched verb passes over what is not due yet, and so can be mined without doing anything. */
  async #hadEffect({ versions }: StoredTransaction): Promise<boolean> {
    const { client } = this.#options;
    const receipts = await readChain(client, () =>
      Promise.all(versions.map(({ hash }) => client.provider.getTransactionReceipt(hash))),
    );
    return receipts.some((receipt) => receipt !== null && receipt.logs.length > 0);
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

  async #sign(nonce: number, effect: string, request: TransactionRequest): Promise<void> {
    const { client, store } = this.#options;
    const signer = requireSigner(client);
    const raw = await readChain(client, async () => {
      const { from: _, ...populated } = await signer.populateTransaction({ ...request, nonce });
      // The state may move between the estimate and the block; what is not used is not paid.
      const gasLimit = (BigInt(populated.gasLimit!) * GAS_PERCENT) / 100n;
      return signer.signTransaction({ ...populated, gasLimit });
    });
    store.putSigned(nonce, effect, { hash: keccak256(raw), raw });
  }

  /** Offers the newest version to the node. Whether it is mined is for the receipt to say. */
  async #broadcast({ effect, versions }: StoredTransaction): Promise<void> {
    const { client, log } = this.#options;
    try {
      await client.provider.broadcastTransaction(versions.at(-1)!.raw);
    } catch (error) {
      log.debug({ effect, err: error }, "the node did not take the transaction, or had it already");
    }
  }

  async #settle(transaction: StoredTransaction, signal: AbortSignal): Promise<void> {
    const { store, clock, log, pollInterval } = this.#options;
    const { nonce, effect } = transaction;
    const started = clock.now();
    let looksLost = 0;
    for (let current = transaction, offered = started; ; ) {
      const end = await this.#endOf(current);
      looksLost = hasEnded(end) && end.status === "lost" ? looksLost + 1 : 0;
      if (hasEnded(end) && (looksLost === 0 || looksLost >= LOOKS_UNTIL_LOST)) {
        store.endTransaction(nonce, end);
        log.info({ effect, nonce, ...end }, "transaction ended");
        if (end.status === "mined") return;
        throw unsuccessful(effect, end.status);
      }
      await clock.sleep(pollInterval, signal);
      signal.throwIfAborted();
      if (end === "unknown" && clock.now() - offered > REBROADCAST_EVERY) {
        if (clock.now() - started > STUCK_AFTER) await this.#raiseFees(current);
        current = store.openTransaction(effect) ?? current;
        await this.#broadcast(current);
        offered = clock.now();
      }
    }
  }

  async #endOf({ nonce, versions }: StoredTransaction): Promise<Whereabouts> {
    const { client, confirmations } = this.#options;
    const address = await requireSigner(client).getAddress();
    return readChain(client, async () => {
      // The count before the receipts: a nonce that was used by then has a receipt now, if it was ours.
      const used = await client.provider.getTransactionCount(address, "latest");
      const head = await client.provider.getBlockNumber();
      for (const { hash } of versions) {
        const receipt = await client.provider.getTransactionReceipt(hash);
        if (!receipt) continue;
        return head - receipt.blockNumber >= confirmations ? readReceipt(receipt) : "waiting";
      }
      return used > nonce ? { status: "lost" } : "unknown";
    });
  }

  async #raiseFees({ nonce, effect, versions }: StoredTransaction): Promise<void> {
    const { client, store, log } = this.#options;
    const transaction = Transaction.from(versions.at(-1)!.raw).clone();
    Object.assign(transaction, raisedFees(transaction));
    transaction.signature = null;
    const raw = await requireSigner(client).signTransaction(transaction);
    const hash = keccak256(raw);
    store.putSigned(nonce, effect, { hash, raw });
    log.warn({ effect, nonce, hash }, "transaction offered again with higher fees");
  }

  /** Runs one at a time, in the order of the calls, whatever becomes of the others. */
  #inLane<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#lane.then(work);
    this.#lane = result.catch(() => undefined);
    return result;
  }
}

/** "waiting": in a block that is not deep enough; "unknown": in no block. */
type Whereabouts = TransactionEnd | "waiting" | "unknown";

function hasEnded(whereabouts: Whereabouts): whereabouts is TransactionEnd {
  return typeof whereabouts === "object";
}

function readReceipt({ status, blockNumber }: TransactionReceipt): TransactionEnd {
  return { status: status === 1 ? "mined" : "reverted", blockNumber };
}

/** The fees that replace those of a transaction. */
function raisedFees(transaction: Transaction) {
  const raised = (fee: bigint) => (fee * RAISE_PERCENT + 99n) / 100n;
  const { maxFeePerGas, maxPriorityFeePerGas, gasPrice } = transaction;
  return maxFeePerGas !== null && maxPriorityFeePerGas !== null
    ? {
        maxFeePerGas: raised(maxFeePerGas),
        maxPriorityFeePerGas: raised(maxPriorityFeePerGas),
      }
    : { gasPrice: raised(gasPrice!) };
}

function contradictory(effect: string): ProviderError {
  return new ProviderError(`The transaction for ${effect} is mined and its effect is not there.`, {
    retryable: true,
    hint: "The RPC endpoint lags behind; it is asked again after a pause.",
  });
}

function unsuccessful(effect: string, status: string): ProviderError {
  return new ProviderError(`The transaction for ${effect} was ${status}.`, {
    retryable: true,
    hint: "The task is read again, and the step is taken again if it is still due.",
  });
}
