import { setTimeout as sleep } from "node:timers/promises";
import type { TransactionReceipt } from "ethers";
import { type Client, requireSigner } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import type { Call } from "./Call.ts";
import { decodeRevert } from "./decodeRevert.ts";

export interface SendOptions {
  /** Neuron per unit of gas; the node's own suggestion where it is not given. */
  readonly gasPrice?: bigint | undefined;
}

/** Milliseconds that a transaction may take to get into a block. */
const PATIENCE = 180_000;

/**
 * Sends a call with the client's own key and waits until it is in a block.
 * @throws ProtocolError with the decoded revert when the call would fail: nothing is sent then. "timed-out" when it
 * stays out of the blocks: it may still get in.
 */
export async function send(
  client: Client,
  call: Call,
  options: SendOptions = {},
): Promise<TransactionReceipt> {
  const signer = requireSigner(client);
  try {
    const { hash } = await signer.sendTransaction({
      to: call.to,
      data: call.data,
      value: call.value,
      ...(options.gasPrice === undefined ? {} : { gasPrice: options.gasPrice }),
    });
    const receipt = await waitForReceipt(client, hash);
    if (receipt.status !== 1) throw await explainFailure(client, call, receipt);
    return receipt;
  } catch (error) {
    throw decodeRevert(client, error);
  }
}

/** Asks for the receipt itself: ethers' own waiting never ends when the node goes away meanwhile. */
async function waitForReceipt(client: Client, hash: string): Promise<TransactionReceipt> {
  const end = performance.now() + PATIENCE;
  for (;;) {
    const receipt = await client.provider.getTransactionReceipt(hash);
    if (receipt) return receipt;
    if (performance.now() > end) break;
    await sleep(client.provider.pollingInterval);
  }
  throw new ProtocolError(
    "timed-out",
    `Transaction ${hash} is sent and not in a block yet.`,
    "Look at the account before sending it again: it may still get in.",
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
    "Run the command again.",
  );
}
