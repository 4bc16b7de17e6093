import { z } from "zod";
import type { Client } from "../client.ts";
import { formatTaskId, type TaskId } from "../ids.ts";
import { type Endpoint, fetchJson } from "../service/providerApi.ts";
import { signRequest } from "../service/signedRequest.ts";
import { latestBlock } from "../transaction/latestBlock.ts";
import { consentToSettlement } from "./consentToSettlement.ts";

/** Seconds by the chain's clock for which the consent is valid. */
const CONSENT_SECONDS = 600;

const Accepted = z.object({ accepted: z.literal(true) });

export interface RequestCancellationParameters {
  /** The task's provider. */
  readonly service: Endpoint;
  readonly id: TaskId;
  /** Neuron, as returned by fetchCancellation. */
  readonly amount: bigint;
  readonly signal?: AbortSignal;
}

/**
 * Consents to end a running task for the amount that fetchCancellation returned, and sends the consent to the provider,
 * which stops the training and settles on chain; the task is then Settled. An unused consent expires.
 * @throws ProtocolError "declined" if the task is not running, or if the provider did not offer this amount.
 * @example
 * const { amount } = await fetchCancellation(client, { service, id });
 * await requestCancellation(client, { service, id, amount });
 */
export async function requestCancellation(
  client: Client,
  { service, id, amount, signal }: RequestCancellationParameters,
): Promise<void> {
  const deadline = (await latestBlock(client)).timestamp + CONSENT_SECONDS;
  const { signature } = await consentToSettlement(client, { id, amount, deadline });
  const path = `/v1/tasks/${formatTaskId(id)}/cancellation`;
  const body = Buffer.from(JSON.stringify({ amount: `${amount}`, deadline, signature }));
  const headers = {
    ...(await signRequest(client, { method: "PUT", path, body })),
    "content-type": "application/octet-stream",
  };
  await fetchJson(service, { method: "PUT", path, headers, body, signal }, Accepted);
}
