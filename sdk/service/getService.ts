import type { Client } from "../client.ts";
import { readChain } from "../transaction/readChain.ts";
import { decodeService, type Service } from "./Service.ts";

/**
 * Reads a provider's service.
 * @throws ProtocolError "not-found" if the provider offers none.
 */
export async function getService(
  client: Client,
  { provider }: { provider: string },
): Promise<Service> {
  return readChain(client, async () => decodeService(await client.serving.serviceOf(provider)));
}
