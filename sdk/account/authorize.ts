import type { Client } from "../client.ts";
import { ledgerCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** Lets the serving contract act on the signer's account, or ends that for new reservations. */
export function authorize(client: Client, { authorized }: { authorized: boolean }): Call {
  return ledgerCall(client, "authorize", [client.servingAddress, authorized]);
}
