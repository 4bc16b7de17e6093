import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { getService } from "./getService.ts";
import type { Service } from "./Service.ts";

/** Reads a provider's service; null if it is not registered. */
export async function findService(client: Client, provider: string): Promise<Service | null> {
  try {
    return await getService(client, { provider });
  } catch (error) {
    if (error instanceof ProtocolError && error.code === "not-found") return null;
    throw error;
  }
}
