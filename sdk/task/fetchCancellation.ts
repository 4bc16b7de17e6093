import { z } from "zod";
import type { Client } from "../client.ts";
import { formatTaskId, type TaskId } from "../ids.ts";
import { type Endpoint, fetchJson } from "../service/providerApi.ts";
import { signRequest } from "../service/signedRequest.ts";

const Neuron = z
  .string()
  .regex(/^\d{1,30}$/)
  .transform(BigInt);

export const Cancellation = z.object({
  /** UUID. */
  id: z.string().max(100),
  /** Neuron that the provider asks for its work so far. */
  amount: Neuron,
  /** The whole fee in neuron. */
  fee: Neuron,
  /** Unix seconds by the provider's clock until which the amount is valid. */
  until: z.number().int(),
});

/** The cost of stopping a running task now. */
export type Cancellation = z.output<typeof Cancellation>;

export interface FetchCancellationParameters {
  /** The task's provider. */
  readonly service: Endpoint;
  readonly id: TaskId;
  readonly signal?: AbortSignal;
}

/**
 * Asks the provider how much is due if a running task stops now.
 * @throws ProtocolError "declined" if the task is not running, "network" if the provider does not answer.
 * @example const { amount, fee } = await fetchCancellation(client, { service, id });
 */
export async function fetchCancellation(
  client: Client,
  { service, id, signal }: FetchCancellationParameters,
): Promise<Cancellation> {
  const path = `/v1/tasks/${formatTaskId(id)}/cancellation`;
  const headers = await signRequest(client, { method: "GET", path });
  return fetchJson(service, { path, headers, signal }, Cancellation);
}
