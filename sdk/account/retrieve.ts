import type { Client } from "../client.ts";
import { ledgerCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** For each provider: claims what has matured and asks for what is free. */
export function retrieve(client: Client, { providers }: { providers: readonly string[] }): Call {
  return ledgerCall(client, "retrieve", [client.servingAddress, providers]);
}
