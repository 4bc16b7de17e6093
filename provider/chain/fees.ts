import type { Transaction, TransactionRequest } from "ethers";
import { type GasPrice, totalPrice } from "../../sdk/transaction/gasPrice.ts";

/**
 * A transaction's bid for a unit of gas, in neuron.
 *
 * The first bid is twice the base fee of the newest block, so that it stays sufficient while base fees rise for six
 * blocks, plus the tip that the node suggests. The chain charges only its base fee and the tip. A bid is raised only if
 * blocks are made without it and the chain's price, or the node's pool, requires more: by an eighth, since nodes
 * require a tenth more for a replacement, or to the current first bid if that is higher.
 *
 * A transaction whose price is sufficient, but which is not mined for many blocks, is replaced a few times by the next
 * higher bid.
 *
 * No bid is above MAX_GAS_PRICE. Below that, no bid is above the higher of two values: twice the chain's own price, and
 * the loss if the step does not happen, divided by its gas. So a task with a tiny fee still works at the chain's price,
 * and only a step that protects real money bids more, if a pool requires it.
 */
export interface Bid {
  /** Highest sum of base fee and tip. */
  readonly cap: bigint;
  readonly tip: bigint;
}

const BASE_FEE_FACTOR = 2n;
const WORTHLESS_FACTOR = 2n;

export interface Limits {
  /** Neuron per gas. */
  readonly maxGasPrice: bigint;
  /** Units of gas that the transaction may use. */
  readonly gas: bigint;
  /** Neuron lost if the step does not happen; null if unknown, because other transactions wait behind it. */
  readonly worth: bigint | null;
}

/** The bid of a transaction that is signed now. */
export function firstBid(price: GasPrice, limits: Limits): Bid {
  const cap = BASE_FEE_FACTOR * (price.baseFee ?? 0n) + price.tip;
  return bounded({ cap, tip: price.tip }, highestCap(price, limits));
}

/** Whether the chain's price is above the bid. */
export function isOutbid(bid: Bid, price: GasPrice): boolean {
  return bid.cap < totalPrice(price) || bid.tip < price.tip;
}

/** A bid that replaces another one; null if it would be above the limits. */
export function raisedBid(old: Bid, price: GasPrice, limits: Limits): Bid | null {
  const first = firstBid(price, limits);
  const raised = { cap: max(raise(old.cap), first.cap), tip: max(raise(old.tip), first.tip) };
  return raised.cap <= highestCap(price, limits) ? bounded(raised, raised.cap) : null;
}

/**
 * The lowest bid that nodes accept as a replacement, for a transaction whose price is sufficient but which is not
 * mined; null if it would be above MAX_GAS_PRICE.
 */
export function replacingBid(old: Bid, { maxGasPrice }: Pick<Limits, "maxGasPrice">): Bid | null {
  const bid = { cap: raise(old.cap), tip: raise(old.tip) };
  return bid.cap <= maxGasPrice ? bid : null;
}

/** The bid of a signed transaction. */
export function bidOf({ type, gasPrice, maxFeePerGas, maxPriorityFeePerGas }: Transaction): Bid {
  if (type !== 2) return { cap: gasPrice!, tip: gasPrice! };
  return { cap: maxFeePerGas!, tip: maxPriorityFeePerGas! };
}

/** The fee fields of a transaction on this chain. */
export function feeFields({ cap, tip }: Bid, { baseFee }: GasPrice): TransactionRequest {
  if (baseFee === null) return { type: 0, gasPrice: cap };
  return { type: 2, maxFeePerGas: cap, maxPriorityFeePerGas: tip };
}

function highestCap(price: GasPrice, { maxGasPrice, gas, worth }: Limits): bigint {
  if (worth === null) return maxGasPrice;
  return min(maxGasPrice, max(WORTHLESS_FACTOR * totalPrice(price), worth / gas));
}

/** An eighth more, rounded up, and at least one. */
const raise = (value: bigint) => max((value * 9n + 7n) / 8n, value + 1n);
const bounded = ({ cap, tip }: Bid, highest: bigint): Bid => ({
  cap: min(cap, highest),
  tip: min(tip, cap, highest),
});
const max = (a: bigint, b: bigint) => (a > b ? a : b);
const min = (...values: bigint[]) => values.reduce((a, b) => (a < b ? a : b));
