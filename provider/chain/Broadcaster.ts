import { keccak256, Transaction, type TransactionRequest } from "ethers";
import type { Logger } from "pino";
import { type Client, requireSigner } from "../../sdk/client.ts";
import { parseTaskId } from "../../sdk/ids.ts";
import { type NodeError, readNodeError } from "../../sdk/rpc/nodeErrors.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import { readGasPrice } from "../../sdk/transaction/gasPrice.ts";
import { readChain } from "../../sdk/transaction/readChain.ts";
import type { Clock } from "../clock.ts";
import type { Store, StoredTransaction } from "../store/Store.ts";
import type { ChainIdentity } from "./ChainIdentity.ts";
import {
  bidOf,
  feeFields,
  firstBid,
  isOutbid,
  type Limits,
  raisedBid,
  replacingBid,
} from "./fees.ts";
import type { GasMoney } from "./GasMoney.ts";

export interface BroadcasterOptions {
  readonly client: Client;
  readonly identity: ChainIdentity;
  readonly gasMoney: GasMoney;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A transaction as it was offered to the node last. */
export interface Broadcast {
  readonly transaction: StoredTransaction;
  /** Why the node refused it, null where it took it. */
  readonly refusal: Refusal | null;
  /** When, in milliseconds. */
  readonly at: number;
}

/** Why a node did not take a transaction; "unknown" where its words are in no table. */
export type Refusal = NodeError["kind"] | "unknown";

const GAS_PERCENT = 120n;
/** In place of a task's id: transactions that only use up a nonce. */
export const VOID = "void";

/** Signs transactions at the chain's price, stores each before anybody sees it, and offers them to the node. */
export class Broadcaster {
  readonly #options: BroadcasterOptions;
  /** Refusals that the log has, by nonce and kind. */
  readonly #reportedRefusals = new Set<string>();

  constructor(options: BroadcasterOptions) {
    this.#options = options;
  }

  /**
   * Stores a transaction that is signed at the chain's present price.
   * @param before what has this nonce and is replaced, null where nothing does
   * @throws ProviderError where the wallet cannot pay for it, or the endpoint serves another chain
   */
  async sign(
    nonce: number,
    effect: string,
    { gasLimit, ...request }: TransactionRequest,
    before: StoredTransaction | null,
  ): Promise<void> {
    const { client, identity, gasMoney } = this.#options;
    const { chainId } = client;
    const value = BigInt(request.value ?? 0n);
    await identity.verify();
    if (value > 0n) await gasMoney.requireFunds(effect, value); // a node estimates nothing that cannot be paid
    // The state may move between the estimate and the block; what is not used is not paid.
    const gas = gasLimit
      ? BigInt(gasLimit)
      : ((await this.#estimate(request)) * GAS_PERCENT) / 100n;
    const price = await readGasPrice(client);
    const limits = await this.#limits(effect, gas);
    const raised = before && raisedBid(bidOf(newest(before)), price, limits);
    const bid = raised ?? firstBid(price, limits);
    const unsigned = { ...request, ...feeFields(bid, price), chainId, nonce, gasLimit: gas };
    await gasMoney.requireFunds(effect, gas * bid.cap + value);
    await this.#put(nonce, effect, unsigned);
  }

  #estimate(request: TransactionRequest): Promise<bigint> {
    const { client } = this.#options;
    return readChain(client, () => requireSigner(client).estimateGas(request));
  }

  async #put(nonce: number, effect: string, unsigned: TransactionRequest): Promise<string> {
    const raw = await requireSigner(this.#options.client).signTransaction(unsigned);
    const hash = keccak256(raw);
    this.#options.store.putSigned(nonce, effect, { hash, raw });
    return hash;
  }

  /** How far the fees of a transaction may go: see fees.ts. */
  async #limits(effect: string, gas: bigint): Promise<Limits> {
    const { client, gasMoney } = this.#options;
    const { maxGasPrice } = gasMoney;
    const [uuid, step] = effect.split("/");
    if (uuid === VOID) return { maxGasPrice, gas, worth: null };
    const { fee, bondBps } = await getTask(client, { id: parseTaskId(uuid!) });
    const bond = (fee * BigInt(bondBps)) / 10_000n;
    return { maxGasPrice, gas, worth: step === "accept" ? fee : fee + bond };
  }

  async broadcast(transaction: StoredTransaction): Promise<Broadcast> {
    const refusal = await this.#send(transaction);
    return { transaction, refusal, at: this.#options.clock.now() };
  }

  /**
   * Broadcaster the newest version to the node. Whether it is mined is for the receipt to say.
   * @returns why the node refused it, null where it has it
   */
  async #send(transaction: StoredTransaction): Promise<Refusal | null> {
    const { client, identity, gasMoney } = this.#options;
    const { effect, versions } = transaction;
    await identity.verify();
    try {
      await client.provider.broadcastTransaction(versions.at(-1)!.raw);
    } catch (error) {
      const refusal = readNodeError(error)?.kind ?? "unknown";
      if (refusal === "insufficient-funds")
        await gasMoney.reportShortage(effect, costOf(newest(transaction)));
      else if (refusal !== "already-known") this.#reportRefusal(transaction, refusal, error);
      if (refusal !== "already-known") return refusal;
    }
    gasMoney.clearShortage(effect);
    return null;
  }

  /** In the node's words, once per transaction and kind. */
  #reportRefusal({ nonce, effect }: StoredTransaction, refusal: Refusal, error: unknown): void {
    const key = `${nonce}/${refusal}`;
    if (this.#reportedRefusals.has(key)) return;
    this.#reportedRefusals.add(key);
    const read = readNodeError(error);
    const words = read?.words ?? (error instanceof Error ? error.message : String(error));
    this.#options.log.warn(
      { effect, nonce, refusal, words },
      "the node did not take the transaction",
    );
  }

  /** The transaction has ended. */
  forget({ nonce, effect }: StoredTransaction): void {
    this.#options.gasMoney.clearShortage(effect);
    for (const key of this.#reportedRefusals)
      if (key.startsWith(`${nonce}/`)) this.#reportedRefusals.delete(key);
  }

  /**
   * Replaces a transaction that no block took by one with higher fees, where the chain asks for more, or the node does.
   * @returns whether there is another version now
   */
  async raiseFees(stored: StoredTransaction, refusal: Refusal | null): Promise<boolean> {
    const { client, log } = this.#options;
    if (refusal === "insufficient-funds") return false;
    const { nonce, effect } = stored;
    const transaction = newest(stored);
    const price = await readGasPrice(client);
    const old = bidOf(transaction);
    if (!isOutbid(old, price) && refusal !== "underpriced") return false;
    const bid = raisedBid(old, price, await this.#limits(effect, transaction.gasLimit));
    if (!bid) return false;
    const hash = await this.#put(nonce, effect, withFees(transaction, feeFields(bid, price)));
    log.warn(
      { effect, nonce, hash, cap: `${bid.cap}` },
      "transaction offered again with higher fees",
    );
    return true;
  }

  /**
   * Replaces a transaction that a node keeps and offers to no block, by one that is the same but for a little more.
   * @returns whether there is another version now
   */
  async replace(stored: StoredTransaction): Promise<boolean> {
    const { client, log, gasMoney } = this.#options;
    const { nonce, effect } = stored;
    const transaction = newest(stored);
    const bid = replacingBid(bidOf(transaction), gasMoney);
    if (!bid) return false;
    const price = await readGasPrice(client);
    const hash = await this.#put(nonce, effect, withFees(transaction, feeFields(bid, price)));
    log.warn({ effect, nonce, hash }, "transaction replaced, because no block takes it");
    return true;
  }

  /**
   * A transaction that the wallet could not pay is in no node's pool: it is signed again at the chain's present price,
   * as soon as the wallet can pay that, unless its own is as good.
   * @returns whether there is another version now
   */
  async reprice(stored: StoredTransaction): Promise<boolean> {
    const { client, log, gasMoney } = this.#options;
    const { nonce, effect } = stored;
    const transaction = newest(stored);
    const price = await readGasPrice(client);
    const old = bidOf(transaction);
    const { gasLimit, value } = transaction;
    const bid = firstBid(price, await this.#limits(effect, gasLimit));
    if (!isOutbid(old, price) && old.cap <= bid.cap) return false;
    if (!(await gasMoney.canPay(effect, gasLimit * bid.cap + value))) return false;
    const hash = await this.#put(nonce, effect, withFees(transaction, feeFields(bid, price)));
    log.info(
      { effect, nonce, hash, cap: `${bid.cap}` },
      "transaction signed again at the chain's price",
    );
    return true;
  }
}

/** The version that is offered. */
const newest = ({ versions }: StoredTransaction) => Transaction.from(versions.at(-1)!.raw);

/** Neuron that the wallet must hold for it. */
const costOf = (transaction: Transaction) =>
  transaction.gasLimit * bidOf(transaction).cap + transaction.value;

function withFees(transaction: Transaction, fees: TransactionRequest): TransactionRequest {
  const { to, data, value, chainId, nonce, gasLimit } = transaction;
  return { to, data, value, chainId, nonce, gasLimit, ...fees };
}
