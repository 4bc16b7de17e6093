import type { Client } from "../client.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** Ends the signer's service and releases its stake. Only without open tasks. */
export function removeService(client: Client): Call {
  return servingCall(client, "removeService", []);
}
