import type { Transaction, TransactionRequest } from "ethers";
import { type GasPrice, totalPrice } from "../../sdk/transaction/gasPrice.ts";

/**
 * What a transaction bids for a unit of gas, in neuron.
 *
 * The first bid is twice the base fee of the newest block, so that it stays good while base fees rise for six blocks,
 * and the tip that the node suggests. Of that the chain takes its base fee and the tip; the rest is not paid. A bid is
 * raised only where blocks are made without it and the chain asks for more, or the node's pool does: by an eighth,
 * since nodes replace a transaction for a tenth more, or to what a first bid would be now.
 *
 * One whose price is right, and which no block takes for many blocks, is replaced a few times by the next higher bid.
 *
 * No bid is above MAX_GAS_PRICE. Below that, it is never above both twice the chain's own price and what the step is
 * worth: what is lost where it is not taken, divided by its gas. So a task with a tiny fee still works at the chain's
 * price, and only a step that saves real money bids more, where a pool asks for it.
 */
export interface Bid {
  /** Base fee and tip together, at most. */
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
  /** Neuron that are lost where the step is not taken; null where others wait behind it, and there is no telling. */
  readonly worth: bigint | null;
}

/** What a transaction that is signed now bids. */
export function firstBid(price: GasPrice, limits: Limits): Bid {
  const cap = BASE_FEE_FACTOR * (price.baseFee ?? 0n) + price.tip;
  return bounded({ cap, tip: price.tip }, highestCap(price, limits));
}

/** Whether the chain asks for more than was bid. */
export function isOutbid(bid: Bid, price: GasPrice): boolean {
  return bid.cap < totalPrice(price) || bid.tip < price.tip;
}

/** A bid that replaces another one; null where that would be above the limits. */
export function raisedBid(old: Bid, price: GasPrice, limits: Limits): Bid | null {
  const first = firstBid(price, limits);
  const raised = { cap: max(raise(old.cap), first.cap), tip: max(raise(old.tip), first.tip) };
  return raised.cap <= highestCap(price, limits) ? bounded(raised, raised.cap) : null;
}

/**
 * The least bid that nodes take in place of another one, for a transaction whose price is right and which no block takes;
 * null if that would be above MAX_GAS_PRICE.
 */
export function replacingBid(old: Bid, { maxGasPrice }: Pick<Limits, "maxGasPrice">): Bid | null {
  const bid = { cap: raise(old.cap), tip: raise(old.tip) };
  return bid.cap <= maxGasPrice ? bid : null;
}

/** What a signed transaction bids. */
export function bidOf({ type, gasPrice, maxFeePerGas, maxPriorityFeePerGas }: Transaction): Bid {
  if (type !== 2) return { cap: gasPrice!, tip: gasPrice! };
  return { cap: maxFeePerGas!, tip: maxPriorityFeePerGas! };
}

/** A bid as a transaction carries it on this chain. */
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
