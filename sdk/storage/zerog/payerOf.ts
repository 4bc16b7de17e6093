import { type Client, requireSigner } from "../../client.ts";
import { send } from "../../transaction/send.ts";
import type { Payer } from "../transfer/TransferOptions.ts";

/**
 * The client's wallet as the payer of uploads.
 * @throws ProtocolError "usage" without a private key.
 * @example
 * const { root } = await upload("0g+https://indexer.example", "capitals.jsonl", {
 *   payer: () => payerOf(client),
 * });
 */
export async function payerOf(client: Client): Promise<Payer> {
  return {
    chainId: client.chainId,
    provider: client.provider,
    address: await requireSigner(client).getAddress(),
    submit: (call) => send(client, call),
  };
}
