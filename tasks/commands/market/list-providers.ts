import type { Client } from "../../../sdk/client.ts";
import { fetchQueue, type Queue } from "../../../sdk/service/fetchQueue.ts";
import { listServices } from "../../../sdk/service/listServices.ts";
import { isPublicUrl } from "../../../sdk/service/publicUrl.ts";
import type { Service } from "../../../sdk/service/Service.ts";
import { formatOg } from "../../../sdk/units.ts";
import type { Command } from "../../definition.ts";
import { pricePerMillion, pricePerMillionTitle } from "../../terminal/pricePerMillion.ts";
import { recordRows } from "../../terminal/recordRows.ts";

/** Milliseconds within which a provider must report its load; the list continues without it after that. */
const TIMEOUT_MS = 5_000;

/** Shows the providers, whether they are free, their prices, and their records. */
export default (async (_, terminal, environment) => {
  const client = await environment.reader();
  const services = await listServices(client);
  const offers = await Promise.all(services.map((service) => askHowBusy(client, service)));
  if (offers.length === 0) {
    terminal.say("No provider is registered on this network.");
    const offer = "register-provider --url <URL> --price <PRICE>";
    terminal.next(environment.command(offer), "to become one");
    return { providers: [] };
  }
  terminal.table({
    widths: [50, 50],
    rows: offers.flatMap(({ service, obstacle }, index) => [
      [`Provider ${index + 1}`, service.provider],
      ["Available", obstacle === null ? "✓" : `✗ ${obstacle}`],
      [pricePerMillionTitle(service), formatOg(pricePerMillion(service))],
      ...recordRows(service),
    ]),
  });
  terminal.next(environment.command("list-models"));
  return {
    providers: offers.map(({ service, queue, obstacle }) => ({
      ...service,
      available: obstacle === null,
      obstacle,
      queue,
    })),
  };
}) satisfies Command<{ json: boolean }>;

async function askHowBusy(client: Client, service: Service) {
  if (!isPublicUrl(client, service.url)) {
    return { service, queue: null, obstacle: "cannot be reached: its address is a private one" };
  }
  const queue = await fetchQueue(service, AbortSignal.timeout(TIMEOUT_MS)).catch(() => null);
  return { service, queue, obstacle: findObstacle(service, queue) };
}

/** Why a task would not start immediately, or null. */
function findObstacle({ accepting }: Service, queue: Queue | null): string | null {
  if (!accepting) return "accepts no tasks";
  if (queue === null) return "does not answer";
  const { slots, running, waiting } = queue;
  return running < slots && waiting === 0
    ? null
    : `occupied: ${running} running, ${waiting} waiting`;
}
