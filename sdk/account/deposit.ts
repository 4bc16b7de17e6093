import type { Client } from "../client.ts";
import { ledgerCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** Adds `amount` neuron to the signer's account. */
export function deposit(client: Client, { amount }: { amount: bigint }): Call {
  return ledgerCall(client, "deposit", [], amount);
}
