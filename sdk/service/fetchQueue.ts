import { z } from "zod";
import { printable } from "../printable.ts";
import { type Endpoint, fetchJson } from "./providerApi.ts";

const Count = z.number().int().nonnegative();
const Queue = z.object({
  /** Whether it accepts new tasks at the moment, whatever its offer on chain says. */
  accepting: z.boolean().default(true),
  slots: Count,
  /** What training runs on, as the provider says, such as "NVIDIA H200"; null if it does not say. */
  device: z
    .string()
    .max(200)
    .transform((text) => printable(text))
    .nullable()
    .default(null),
  running: Count,
  waiting: Count,
  /** The provider's estimate of the seconds until a task ordered now would start; null if it gives none. */
  waitSeconds: z.number().nonnegative().nullable().default(null),
});

/** The load of a provider: concurrent jobs, running jobs, waiting jobs. */
export type Queue = z.infer<typeof Queue>;

/**
 * Whether a task ordered now would have to wait.
 * @example const free = !isBusy(await fetchQueue(service));
 */
export const isBusy = ({ slots, running, waiting }: Queue): boolean =>
  running >= slots || waiting > 0;

/**
 * Fetches the load of a provider.
 * @throws ProtocolError "network" if it does not answer; the signal's reason when aborted.
 * @example const { accepting, waitSeconds } = await fetchQueue(service);
 */
export function fetchQueue(service: Endpoint, signal?: AbortSignal): Promise<Queue> {
  return fetchJson(service, { path: "/v1/queue", signal }, Queue);
}
