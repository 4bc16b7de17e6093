import type { Client } from "../client.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";
import type { SettlementConsent } from "./consentToSettlement.ts";

/** Ends a running task as its provider, at the part of the fee that the user consented to. */
export function settleCancelled(
  client: Client,
  { id, amount, deadline, signature }: SettlementConsent,
): Call {
  return servingCall(client, "settleCancelled", [id, amount, deadline, signature]);
}
