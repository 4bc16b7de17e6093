import type { Client } from "../client.ts";
import { ledgerCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** Moves `amount` neuron from the signer's main account into their sub-account for `provider`. */
export function fund(
  client: Client,
  { provider, amount }: { provider: string; amount: bigint },
): Call {
  return ledgerCall(client, "fund", [client.servingAddress, provider, amount]);
}
