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
import type { Registration } from "./Registration.ts";

export interface BroadcasterOptions {
  readonly client: Client;
  readonly identity: ChainIdentity;
  readonly registration: Pick<Registration, "requireOperator">;
  readonly gasMoney: GasMoney;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The last broadcast of a transaction. */
export interface Broadcast {
  readonly transaction: StoredTransaction;
  /** Why the node refused it; null if it accepted it. */
  readonly refusal: Refusal | null;
  /** When, in milliseconds. */
  readonly at: number;
}

/** Why a node refused a transaction; "unknown" if its message is not recognized. */
export type Refusal = NodeError["kind"] | "unknown";

const GAS_PERCENT = 120n;
/** Takes the place of a task's id for transactions that only use up a nonce. */
export const VOID = "void";

/** Signs transactions at the chain's price, stores each before it is sent anywhere, and broadcasts them. */
export class Broadcaster {
  readonly #options: BroadcasterOptions;
  /** Refusals already logged, by nonce and kind. */
  readonly #reportedRefusals = new Set<string>();

  constructor(options: BroadcasterOptions) {
    this.#options = options;
  }

  /**
   * Signs a transaction at the chain's current price and stores it.
   * @param before the transaction that has this nonce and is replaced; null if there is none
   * @throws ProviderError if the wallet cannot pay for it, the endpoint serves another chain, or another operator is
   * registered
   */
  async sign(
    nonce: number,
    effect: string,
    { gasLimit, ...request }: TransactionRequest,
    before: StoredTransaction | null,
  ): Promise<void> {
    const { client, identity, registration, gasMoney } = this.#options;
    const { chainId } = client;
    const value = BigInt(request.value ?? 0n);
    await identity.verify();
    await registration.requireOperator();
    if (value > 0n) await gasMoney.requireFunds(effect, value); // nodes do not estimate what cannot be paid
    // The state may change between the estimate and the block. Unused gas is not paid for.
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

  /** Signs the newest version again with other fees. @returns its hash. */
  async #replace(stored: StoredTransaction, fees: TransactionRequest): Promise<string> {
    await this.#options.registration.requireOperator();
    const { to, data, value, chainId, nonce, gasLimit } = newest(stored);
    const unsigned = { to, data, value, chainId, nonce, gasLimit, ...fees };
    return this.#put(nonce, stored.effect, unsigned);
  }

  /** The limits for the fees of a transaction: see fees.ts. */
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
   * Sends the newest version to the node. Only a receipt shows whether it was mined.
   * @returns why the node refused it; null if the node has it
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

  /** Logs the node's message, once per transaction and kind. */
  #reportRefusal({ nonce, effect }: StoredTransaction, refusal: Refusal, error: unknown): void {
    const key = `${nonce}/${refusal}`;
    if (this.#reportedRefusals.has(key)) return;
    this.#reportedRefusals.add(key);
    const read = readNodeError(error);
    const words = read?.words ?? (error instanceof Error ? error.message : String(error));
    this.#options.log.warn({ effect, nonce, refusal, words }, "the node refused the transaction");
  }

  /** Forgets a transaction that has ended. */
  forget({ nonce, effect }: StoredTransaction): void {
    this.#options.gasMoney.clearShortage(effect);
    for (const key of this.#reportedRefusals)
      if (key.startsWith(`${nonce}/`)) this.#reportedRefusals.delete(key);
  }

  /**
   * Replaces a transaction that was not mined by one with higher fees, if the chain's price is higher now, or the node
   * requires it.
   * @returns whether there is a new version
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
    const hash = await this.#replace(stored, feeFields(bid, price));
    log.warn(
      { effect, nonce, hash, cap: `${bid.cap}` },
      "transaction replaced by one with higher fees",
    );
    return true;
  }

  /**
   * Replaces a transaction that a node keeps but does not put into a block by the same one with slightly higher fees.
   * @returns whether there is a new version
   */
  async replace(stored: StoredTransaction): Promise<boolean> {
    const { client, log, gasMoney } = this.#options;
    const { nonce, effect } = stored;
    const transaction = newest(stored);
    const bid = replacingBid(bidOf(transaction), gasMoney);
    if (!bid) return false;
    const price = await readGasPrice(client);
    const hash = await this.#replace(stored, feeFields(bid, price));
    log.warn({ effect, nonce, hash }, "transaction replaced because it is not mined");
    return true;
  }

  /**
   * Signs a transaction that the wallet could not pay for again, at the chain's current price, once the wallet can pay
   * for that and unless its own price is as good. Such a transaction is in no node's pool.
   * @returns whether there is a new version
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
    const hash = await this.#replace(stored, feeFields(bid, price));
    log.info(
      { effect, nonce, hash, cap: `${bid.cap}` },
      "transaction signed again at the chain's price",
    );
    return true;
  }
}

/** The version that is broadcast. */
const newest = ({ versions }: StoredTransaction) => Transaction.from(versions.at(-1)!.raw);

/** Neuron that the wallet must hold for a transaction. */
const costOf = (transaction: Transaction) =>
  transaction.gasLimit * bidOf(transaction).cap + transaction.value;
