import type { Client } from "../client.ts";
import { ledgerCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** Deposits `amount` neuron into the signer's account and lets the serving contract act on it. */
export function openAccount(client: Client, { amount }: { amount: bigint }): Call {
  return ledgerCall(client, "openAccount", [client.servingAddress], amount);
}
