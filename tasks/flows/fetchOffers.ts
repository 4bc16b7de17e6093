import type { Client } from "../../sdk/client.ts";
import { parseAddress } from "../../sdk/parseAddress.ts";
import { fetchCatalogue } from "../../sdk/service/fetchCatalogue.ts";
import { getService } from "../../sdk/service/getService.ts";
import { listServices } from "../../sdk/service/listServices.ts";
import type { OfferedModel } from "../../sdk/service/OfferedModel.ts";
import type { Service } from "../../sdk/service/Service.ts";
import type { Terminal } from "../terminal/Terminal.ts";

/** Milliseconds within which a provider must send its catalogue; the list continues without it after that. */
const TIMEOUT_MS = 10_000;

/** The models of one provider, or of all that answer; a note names those left out, and why. */
export async function fetchOffers(
  client: Client,
  provider: string | undefined,
  terminal: Terminal,
): Promise<OfferedModel[]> {
  const services =
    provider === undefined
      ? await listServices(client)
      : [await getService(client, { provider: parseAddress(provider) })];
  const offers = await Promise.all(services.map((service) => fetchModels(service, terminal)));
  return offers.flat();
}

async function fetchModels(service: Service, terminal: Terminal): Promise<OfferedModel[]> {
  try {
    const { models } = await fetchCatalogue(service, AbortSignal.timeout(TIMEOUT_MS));
    return models.map((model) => ({ service, model }));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    terminal.note(`Left out ${service.provider}: ${reason}`);
    return [];
  }
}
