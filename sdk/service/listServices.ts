import type { Client } from "../client.ts";
import { readChain } from "../transaction/readChain.ts";
import { decodeService, type Service } from "./Service.ts";

/** Services per call: their results fit into a request with other views. */
const SERVICES_PER_CALL = 20;

/**
 * Reads all registered services.
 * @throws ProtocolError "network" if the chain does not answer.
 * @example const open = (await listServices(client)).filter(({ accepting }) => accepting);
 */
export async function listServices(client: Client): Promise<Service[]> {
  const readPage = async (offset: number) =>
    (await client.serving.services(offset, SERVICES_PER_CALL)).map(decodeService);
  return readChain(client, async () => {
    const [count, services] = await Promise.all([client.serving.serviceCount(), readPage(0)]);
    // A page leaves out services that were removed, and the others keep their places.
    for (let offset = SERVICES_PER_CALL; offset < count; offset += SERVICES_PER_CALL)
      services.push(...(await readPage(offset)));
    return services;
  });
}
