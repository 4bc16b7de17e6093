import type { Client } from "../client.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";
import { encodeTerms, type ServiceTerms } from "./Service.ts";

/** Changes the signer's terms. Tasks already created keep the terms they were created under. */
export function updateService(client: Client, { terms }: { terms: ServiceTerms }): Call {
  return servingCall(client, "updateService", [encodeTerms(terms)]);
}
