import { z } from "zod";
import { type Endpoint, fetchJson } from "./providerApi.ts";

const Count = z.number().int().nonnegative();
const Queue = z.object({ slots: Count, running: Count, waiting: Count });

/** How busy a provider is: jobs at a time, jobs running, jobs waiting. */
export type Queue = z.infer<typeof Queue>;

/** Asks a provider how busy he is. */
export function fetchQueue(service: Endpoint, signal?: AbortSignal): Promise<Queue> {
  return fetchJson(service, { path: "/v1/queue", signal }, Queue);
}
