import type { Client } from "../client.ts";
import { ledgerCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** Pays `amount` neuron of the signer's available balance out to their wallet. */
export function withdraw(client: Client, { amount }: { amount: bigint }): Call {
  return ledgerCall(client, "withdraw", [amount]);
}
