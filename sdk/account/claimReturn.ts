import type { Client } from "../client.ts";
import { ledgerCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** Moves the matured return requests of one sub-account to the signer's main account. */
export function claimReturn(client: Client, { provider }: { provider: string }): Call {
  return ledgerCall(client, "claimReturn", [client.servingAddress, provider]);
}
