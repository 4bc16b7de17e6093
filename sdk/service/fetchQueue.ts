import { z } from "zod";
import { type Endpoint, fetchJson } from "./providerApi.ts";

const Count = z.number().int().nonnegative();
const Queue = z.object({
  /** Whether it takes new tasks on at the moment, whatever its offer on chain says. */
  accepting: z.boolean().default(true),
  slots: Count,
  running: Count,
  waiting: Count,
  /** Seconds until a task that is ordered now would begin, as the provider estimates; null if it says nothing. */
  waitSeconds: z.number().nonnegative().nullable().default(null),
});

/** How busy a provider is: jobs at a time, jobs running, jobs waiting. */
export type Queue = z.infer<typeof Queue>;

/**
 * Asks a provider how busy it is.
 * @throws ProtocolError "network" if it does not answer; the signal's reason when aborted.
 * @example const { accepting, waitSeconds } = await fetchQueue(service);
 */
export function fetchQueue(service: Endpoint, signal?: AbortSignal): Promise<Queue> {
  return fetchJson(service, { path: "/v1/queue", signal }, Queue);
}
