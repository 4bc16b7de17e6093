import type { Client } from "../client.ts";
import { readChain } from "../transaction/readChain.ts";
import { decodeService, type Service } from "./Service.ts";

export interface GetServiceParameters {
  /** Address of the provider. */
  readonly provider: string;
}

/**
 * Reads a provider's service.
 * @throws ProtocolError "not-found" if the provider has none.
 * @example const service = await getService(client, { provider });
 */
export async function getService(
  client: Client,
  { provider }: GetServiceParameters,
): Promise<Service> {
  return readChain(client, async () => decodeService(await client.serving.serviceOf(provider)));
}
