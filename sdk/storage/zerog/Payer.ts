import type { Provider } from "ethers";
import { type Client, requireSigner } from "../../client.ts";
import type { Call } from "../../transaction/Call.ts";
import { send } from "../../transaction/send.ts";

/** Who pays for an upload to 0G's network, and sends the transaction that says so. */
export interface Payer {
  readonly chainId: number;
  readonly provider: Provider;
  readonly address: string;
  /** Sends the call and waits until it is in a block. */
  submit(call: Call): Promise<unknown>;
}

/** The client's own wallet. */
export async function payerOf(client: Client): Promise<Payer> {
  return {
    chainId: client.chainId,
    provider: client.provider,
    address: await requireSigner(client).getAddress(),
    submit: (call) => send(client, call),
  };
}
