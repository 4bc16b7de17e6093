import type { Client } from "../client.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";
import { encodeTerms, type ServiceTerms } from "./Service.ts";

/** Offers a service; the minimum stake is reserved in the signer's sub-account with themselves. */
export function registerService(client: Client, { terms }: { terms: ServiceTerms }): Call {
  return servingCall(client, "registerService", [encodeTerms(terms)]);
}
