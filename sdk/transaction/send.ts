import { keccak256, type TransactionReceipt } from "ethers";
import { type Client, requireSigner } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { sleep } from "../platform/index.ts";
import type { NodeErrorKind } from "../rpc/nodeErrorKinds.ts";
import { readNodeError } from "../rpc/nodeErrors.ts";
import type { Call } from "./Call.ts";
import { decodeRevert } from "./decodeRevert.ts";
import { explainBalance } from "./explainBalance.ts";
import { readGasPrice } from "./gasPrice.ts";
import { recentBlock } from "./latestBlock.ts";
import { readChain } from "./readChain.ts";

/** Options for sending a transaction. */
export interface SendOptions {
  /** Neuron per unit of gas; default: the node's suggestion. */
  readonly gasPrice?: bigint | undefined;
  /** Called with the transaction's hash before it is sent, so that it can be looked up whatever happens then. */
  readonly onSigned?: ((hash: string) => void) | undefined;
  /** Milliseconds within which the transaction must get into a block. */
  readonly timeout?: number;
}

/** Default timeout for a transaction to get into a block. */
const TIMEOUT_MS = 180_000;
/** Milliseconds between two broadcasts of a transaction: nodes may drop it. */
const REBROADCAST_INTERVAL_MS = 15_000;
/** The same if the answer to the last broadcast was lost. */
const REBROADCAST_INTERVAL_AFTER_LOSS_MS = 2_000;
/** Milliseconds between two attempts while the endpoint does not answer. */
const RETRY_INTERVAL_MS = 1_000;

/**
 * Signs a call with the client's key, sends it, and waits until it is in a block. If an answer is lost, the same signed
 * transaction is broadcast again: the chain includes it at most once.
 * @throws ProtocolError with the decoded revert if the call would fail, or with the node's reason if it refuses the
 * transaction: nothing is sent then. "timed-out" if the outcome is not known in time: the transaction may still get
 * into a block.
 * @example
 * const call = deposit(client, { amount: parseOg("0.1") });
 * const { hash, blockNumber } = await send(client, call);
 */
export async function send(
  client: Client,
  call: Call,
  options: SendOptions = {},
): Promise<TransactionReceipt> {
  try {
    const signed = await sign(client, call, options);
    options.onSigned?.(signed.hash);
    const receipt = await settle(client, signed, options.timeout ?? TIMEOUT_MS);
    if (receipt.status === 1) return receipt;
    throw await explainFailure(client, call, receipt);
  } catch (error) {
    throw await explainBalance(client, error);
  }
}

interface Signed {
  readonly hash: string;
  readonly raw: string;
}

async function sign(client: Client, call: Call, { gasPrice }: SendOptions): Promise<Signed> {
  const signer = requireSigner(client);
  const from = await signer.getAddress();
  const { to, data, value } = call;
  return readChain(client, async () => {
    const [nonce, gasLimit, fees] = await Promise.all([
      signer.getNonce("pending"),
      client.provider.estimateGas({ from, to, data, value }),
      gasPrice === undefined ? suggestFees(client) : { type: 0, gasPrice },
    ]);
    const { chainId } = client;
    const transaction = { from, chainId, nonce, to, data, value, gasLimit, ...fees };
    // With everything known, this asks nothing; a contract wallet's signer wraps the call in one of its own.
    const raw = await signer.signTransaction(await signer.populateTransaction(transaction));
    return { hash: keccak256(raw), raw };
  });
}

/** Fees that stay sufficient until the base fee has doubled. */
async function suggestFees(client: Client) {
  const { baseFee, tip } = await readGasPrice(client, recentBlock);
  if (baseFee === null) return { type: 0, gasPrice: tip };
  return { type: 2, maxFeePerGas: 2n * baseFee + tip, maxPriorityFeePerGas: tip };
}

/** Broadcasts the transaction and polls for its receipt until there is one or the timeout passes. */
async function settle(
  client: Client,
  signed: Signed,
  timeout: number,
): Promise<TransactionReceipt> {
  const end = performance.now() + timeout;
  const offered: Offered = { mayBeOut: false, nextOffer: 0, failure: undefined };
  while (performance.now() < end) {
    const isDue = performance.now() >= offered.nextOffer;
    const isHeldBack = isDue && (await offer(client, signed, offered));
    const look = await findReceipt(client, signed.hash);
    if (look.receipt) return look.receipt;
    if (look.failure) offered.failure = look.failure;
    const { pollingInterval } = client.provider;
    await sleep(isHeldBack || look.failure ? RETRY_INTERVAL_MS : pollingInterval);
  }
  throw unknownOutcomeError(signed.hash, offered);
}

/** State of a transaction's broadcasts so far. */
interface Offered {
  mayBeOut: boolean;
  /** By `performance.now()`. */
  nextOffer: number;
  /** The last error. */
  failure: unknown;
}

/**
 * Broadcasts the transaction once.
 * @returns whether the node does not accept it for now
 * @throws ProtocolError if the node refuses it and no earlier broadcast may have succeeded
 */
async function offer(client: Client, signed: Signed, offered: Offered): Promise<boolean> {
  const { refusal, failure, isHeldBack = false } = await broadcast(client, signed);
  if (refusal && !offered.mayBeOut) throw refusal;
  offered.failure = failure;
  if (isHeldBack) return true;
  offered.mayBeOut = true;
  offered.nextOffer =
    performance.now() + (failure ? REBROADCAST_INTERVAL_AFTER_LOSS_MS : REBROADCAST_INTERVAL_MS);
  return false;
}

interface Offer {
  /** Why the node refuses it for good. */
  readonly refusal?: ProtocolError;
  /** Certainly not sent, but worth another attempt: the pool is full. */
  readonly isHeldBack?: boolean;
  readonly failure?: unknown;
}

/** Temporary refusals after which the transaction is certainly not sent. */
const HOLDS_BACK: ReadonlySet<NodeErrorKind> = new Set([
  "pool-full",
  "rate-limited",
  "nonce-too-high",
]);
/** Errors that leave unknown whether the transaction was sent. */
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

function unknownOutcomeError(hash: string, { mayBeOut, failure }: Offered): ProtocolError {
  const words = readNodeError(failure)?.words;
  const reason = words ? ` The node says: ${words}` : "";
  return mayBeOut
    ? new ProtocolError(
        "timed-out",
        `Transaction ${hash} was sent, but the endpoint shows it in no block yet.${reason}`,
        "Check the account before sending it again: it may still get into a block.",
        { cause: failure },
      )
    : new ProtocolError(
        "timed-out",
        `The node did not accept transaction ${hash}.${reason}`,
        "Nothing was sent. Try again later.",
        { cause: failure },
      );
}

/** Explains a transaction that passed the estimate but failed in its block, by repeating its call. */
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
