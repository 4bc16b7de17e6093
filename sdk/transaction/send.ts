import type { TransactionReceipt } from "ethers";
import { type Client, requireSigner } from "../client.ts";
import type { Call } from "./Call.ts";
import { decodeRevert } from "./decodeRevert.ts";

export interface SendOptions {
  /** Neuron per unit of gas; the node's own suggestion where it is not given. */
  readonly gasPrice?: bigint | undefined;
}

/**
 * Sends a call with the client's own key and waits until it is in a block.
 * @throws ProtocolError with the decoded revert when the call would fail: nothing is sent then.
 */
export async function send(
  client: Client,
  call: Call,
  options: SendOptions = {},
): Promise<TransactionReceipt> {
  const signer = requireSigner(client);
  try {
    const transaction = await signer.sendTransaction({
      to: call.to,
      data: call.data,
      value: call.value,
      ...(options.gasPrice === undefined ? {} : { gasPrice: options.gasPrice }),
    });
    const receipt = await transaction.wait();
    if (!receipt) throw new Error(`transaction ${transaction.hash} vanished`);
    return receipt;
  } catch (error) {
    throw decodeRevert(client, error);
  }
}
