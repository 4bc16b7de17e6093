import type { Client } from "../client.ts";
import { ledgerCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** Asks for `amount` neuron of a sub-account's free balance back; it unlocks after the lock period. */
export function requestReturn(
  client: Client,
  { provider, amount }: { provider: string; amount: bigint },
): Call {
  return ledgerCall(client, "requestReturn", [client.servingAddress, provider, amount]);
}
