import { setTimeout as sleep } from "node:timers/promises";
import { keccak256, type TransactionReceipt } from "ethers";
import { type Client, requireSigner } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { readNodeError } from "../rpc/nodeErrors.ts";
import type { NodeErrorKind } from "../rpc/nodeWords.ts";
import type { Call } from "./Call.ts";
import { decodeRevert } from "./decodeRevert.ts";
import { readChain } from "./readChain.ts";

/** How a transaction is sent. */
export interface SendOptions {
  /** Neuron per unit of gas; the node's own suggestion where it is not given. */
  readonly gasPrice?: bigint | undefined;
  /** Told the transaction's hash before it is sent: whatever happens then, it can be looked up. */
  readonly onSigned?: ((hash: string) => void) | undefined;
  /** Milliseconds in which the transaction must get into a block. */
  readonly patience?: number;
}

/** Milliseconds that a transaction may take to get into a block. */
const TIMEOUT_MS = 180_000;
/** Milliseconds between two offers of a transaction: nodes forget. */
const REBROADCAST_EVERY = 15_000;
/** The same if the answer to the last offer was lost. */
const REBROADCAST_LOST = 2_000;
/** Milliseconds between two looks while the endpoint does not answer. */
const FAILURE_PAUSE = 1_000;

/**
 * Signs a call with the client's own key, sends it, and looks for it until it is in a block. When an answer is lost
 * the same signed transaction is offered again: the chain takes it once at most.
 * @throws ProtocolError with the decoded revert when the call would fail, or with the node's reason when it refuses the
 * transaction: nothing is sent then. "timed-out" when its outcome is not known in time: it may still get in.
 * @example
 * const call = deposit(client, { amount: parseOg("0.1") });
 * const { hash, blockNumber } = await send(client, call);
 */
export async function send(
  client: Client,
  call: Call,
  options: SendOptions = {},
): Promise<TransactionReceipt> {
  const signed = await sign(client, call, options);
  options.onSigned?.(signed.hash);
  const receipt = await settle(client, signed, options.patience ?? TIMEOUT_MS);
  if (receipt.status !== 1) throw await explainFailure(client, call, receipt);
  return receipt;
}

interface Signed {
  readonly hash: string;
  readonly raw: string;
}

async function sign(client: Client, call: Call, { gasPrice }: SendOptions): Promise<Signed> {
  const signer = requireSigner(client);
  return readChain(client, async () => {
    const { from: _, ...transaction } = await signer.populateTransaction({
      to: call.to,
      data: call.data,
      value: call.value,
      ...(gasPrice === undefined ? {} : { gasPrice }),
    });
    const raw = await signer.signTransaction(transaction);
    return { hash: keccak256(raw), raw };
  });
}

/** Offers the transaction and looks for its receipt, by turns, until there is one or the time is out. */
async function settle(
  client: Client,
  signed: Signed,
  patience: number,
): Promise<TransactionReceipt> {
  const end = performance.now() + patience;
  const offered: Offered = { mayBeOut: false, nextOffer: 0, failure: undefined };
  while (performance.now() < end) {
    const isDue = performance.now() >= offered.nextOffer;
    const isHeldBack = isDue && (await offer(client, signed, offered));
    const look = await findReceipt(client, signed.hash);
    if (look.receipt) return look.receipt;
    if (look.failure) offered.failure = look.failure;
    const { pollingInterval } = client.provider;
    await sleep(isHeldBack || look.failure ? FAILURE_PAUSE : pollingInterval);
  }
  throw unknownOutcome(signed.hash, offered);
}

/** What became of a transaction's offers so far. */
interface Offered {
  mayBeOut: boolean;
  /** By `performance.now()`. */
  nextOffer: number;
  /** What went wrong last. */
  failure: unknown;
}

/**
 * Offers the transaction once.
 * @returns whether the node holds it back for now
 * @throws ProtocolError if the node refuses it, and no earlier offer may have got through
 */
async function offer(client: Client, signed: Signed, offered: Offered): Promise<boolean> {
  const { refusal, failure, isHeldBack = false } = await broadcast(client, signed);
  if (refusal && !offered.mayBeOut) throw refusal;
  offered.failure = failure;
  if (isHeldBack) return true;
  offered.mayBeOut = true;
  offered.nextOffer = performance.now() + (failure ? REBROADCAST_LOST : REBROADCAST_EVERY);
  return false;
}

interface Offer {
  /** Why the node does not take it, and will not. */
  readonly refusal?: ProtocolError;
  /** Certain not to be out, and worth another attempt: the pool is full. */
  readonly isHeldBack?: boolean;
  readonly failure?: unknown;
}

/** Refusals of nodes after which the transaction is certainly not out, and which pass. */
const HOLDS_BACK: ReadonlySet<NodeErrorKind> = new Set([
  "pool-full",
  "rate-limited",
  "nonce-too-high",
]);
/** What says nothing about whether the transaction is out. */
const LOSES_ANSWER: ReadonlySet<NodeErrorKind> = new Set([
  "unreachable",
  "silent",
  "unavailable",
  "not-json",
  "too-long",
  "already-known",
]);

async function broadcast(client: Client, { raw }: Signed): Promise<Offer> {
  try {
    await client.provider.send("eth_sendRawTransaction", [raw]);
    return {};
  } catch (error) {
    const kind = readNodeError(error)?.kind;
    if (kind && LOSES_ANSWER.has(kind)) return { failure: error };
    if (kind && HOLDS_BACK.has(kind)) return { failure: error, isHeldBack: true };
    return { refusal: decodeRevert(client, error), failure: error };
  }
}

async function findReceipt(
  client: Client,
  hash: string,
): Promise<{ receipt: TransactionReceipt | null; failure?: unknown }> {
  try {
    return { receipt: await client.provider.getTransactionReceipt(hash) };
  } catch (failure) {
    return { receipt: null, failure };
  }
}

function unknownOutcome(hash: string, { mayBeOut, failure }: Offered): ProtocolError {
  const words = readNodeError(failure)?.words;
  const reason = words ? ` The node says: ${words}` : "";
  return mayBeOut
    ? new ProtocolError(
        "timed-out",
        `Transaction ${hash} is sent and in no block that the endpoint shows.${reason}`,
        "Look at the account before sending it again: it may still get in.",
        { cause: failure },
      )
    : new ProtocolError(
        "timed-out",
        `The node did not take transaction ${hash}.${reason}`,
        "Nothing was sent. Try again later.",
        { cause: failure },
      );
}

/** The call passed when it was estimated and failed in its block: makes it fail again to learn why. */
async function explainFailure(
  client: Client,
  { to, data, value }: Call,
  { from, blockNumber, hash }: TransactionReceipt,
): Promise<ProtocolError> {
  try {
    await client.provider.call({ to, data, value, from, blockTag: blockNumber });
  } catch (error) {
    return decodeRevert(client, error);
  }
  return new ProtocolError(
    "reverted",
    `Transaction ${hash} failed in its block: the chain changed just before it.`,
    "Try again.",
  );
}
