import type { Client } from "../client.ts";
import { latestBlock } from "../transaction/latestBlock.ts";
import { readChain } from "../transaction/readChain.ts";
import { PAGE_SIZE } from "../transaction/readPages.ts";
import { decodeService, type Service } from "./Service.ts";

/**
 * Reads all registered services as of one block.
 * @throws ProtocolError "network" if the chain does not answer.
 * @example const open = (await listServices(client)).filter(({ accepting }) => accepting);
 */
export async function listServices(client: Client): Promise<Service[]> {
  return readChain(client, async () => {
    const { number: blockTag } = await latestBlock(client);
    const count = await client.serving.serviceCount({ blockTag });
    const services: Service[] = [];
    for (let offset = 0; offset < count; offset += PAGE_SIZE) {
      const page = await client.serving.services(offset, PAGE_SIZE, { blockTag });
      services.push(...page.map(decodeService)); // a page leaves out services that were removed
    }
    return services;
  });
}
