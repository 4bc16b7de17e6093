import type { Client } from "../client.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";
import { encodeTerms, type ServiceTerms } from "./Service.ts";

/** Verbs that are a single contract call. */

export interface ServiceParameters {
  readonly terms: ServiceTerms;
}

/**
 * Registers a service; the minimum stake is reserved in the signer's sub-account for their own address.
 * @example await send(client, registerService(client, { terms }));
 */
export function registerService(client: Client, { terms }: ServiceParameters): Call {
  return servingCall(client, "registerService", [encodeTerms(terms)]);
}

/**
 * Changes the signer's terms. Existing tasks keep the terms they were created under.
 * @example await send(client, updateService(client, { terms }));
 */
export function updateService(client: Client, { terms }: ServiceParameters): Call {
  return servingCall(client, "updateService", [encodeTerms(terms)]);
}

/**
 * Removes the signer's service and releases its stake. Only possible without open tasks.
 * @example await send(client, removeService(client));
 */
export function removeService(client: Client): Call {
  return servingCall(client, "removeService", []);
}
