import { keccak256, Transaction, type TransactionReceipt, type TransactionRequest } from "ethers";
import type { Logger } from "pino";
import { type Client, requireSigner } from "../../sdk/client.ts";
import { formatTaskId, type TaskId } from "../../sdk/ids.ts";
import type { Call } from "../../sdk/transaction/Call.ts";
import { readChain } from "../../sdk/transaction/readChain.ts";
import type { Clock } from "../clock.ts";
import { ProviderError } from "../errors.ts";
import type { ChainStep } from "../jobs/machine.ts";
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
  readonly step: ChainStep;
  readonly call: Call;
  /** Asks the chain whether it has happened already. */
  readonly isDone: () => Promise<boolean>;
}

/** Milliseconds after which a transaction that nobody mines is offered with higher fees. */
const STUCK_AFTER = 60_000;
/** Milliseconds between two broadcasts of the same transaction: nodes forget. */
const REBROADCAST_EVERY = 15_000;
/** Nodes replace a transaction for at least a tenth more. */
const RAISE_PERCENT = 125n;
const GAS_PERCENT = 120n;

/**
 * The one place that sends transactions, in one lane of nonces. A transaction is stored before it is broadcast. After
 * a crash its step is taken again and broadcasts the same one again, which the chain takes at most once; it is the step
 * that does so, since only the step knows whether it is too late (a key must not be shown after its deadline).
 */
export class Submitter {
  readonly #options: SubmitterOptions;
  #lane: Promise<unknown> = Promise.resolve();

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

  async #openOrSign({ id, step, call, isDone }: Submission): Promise<StoredTransaction | null> {
    const { store, log } = this.#options;
    const effect = `${formatTaskId(id)}/${step}`;
    const open = store.openTransaction(effect);
    if (!open) {
      if (await isDone()) return null;
      const nonce = await this.#nextNonce();
      await this.#sign(nonce, effect, { to: call.to, data: call.data, value: call.value });
      log.info({ task: formatTaskId(id), step, nonce }, "transaction signed");
    }
    const transaction = store.openTransaction(effect)!;
    await this.#broadcast(transaction);
    return transaction;
  }

  /** Counts what waits in the node, too: the operator may use the same key elsewhere. */
  async #nextNonce(): Promise<number> {
    const { client, store } = this.#options;
    const address = await requireSigner(client).getAddress();
    const count = await readChain(client, () =>
      client.provider.getTransactionCount(address, "pending"),
    );
    const highest = store.openTransactions().at(-1)?.nonce ?? -1;
    return Math.max(count, highest + 1);
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
    for (let current = transaction, offered = started; ; ) {
      const end = await this.#endOf(current);
      if (end !== "waiting" && end !== "unknown") {
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

  /** "waiting": in a block that is not deep enough; "unknown": in no block. */
  async #endOf({
    nonce,
    versions,
  }: StoredTransaction): Promise<TransactionEnd | "waiting" | "unknown"> {
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
    const raised = (fee: bigint) => (fee * RAISE_PERCENT + 99n) / 100n;
    if (transaction.maxFeePerGas !== null && transaction.maxPriorityFeePerGas !== null) {
      transaction.maxFeePerGas = raised(transaction.maxFeePerGas);
      transaction.maxPriorityFeePerGas = raised(transaction.maxPriorityFeePerGas);
    } else {
      transaction.gasPrice = raised(transaction.gasPrice!);
    }
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

function readReceipt({ status, blockNumber }: TransactionReceipt): TransactionEnd {
  return { status: status === 1 ? "mined" : "reverted", blockNumber };
}

function unsuccessful(effect: string, status: string): ProviderError {
  return new ProviderError(`The transaction for ${effect} was ${status}.`, {
    retryable: true,
    hint: "The task is read again, and the step is taken again if it is still due.",
  });
}
