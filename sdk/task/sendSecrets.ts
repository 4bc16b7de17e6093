import { getBytes } from "ethers";
import { z } from "zod";
import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { sealSecrets } from "../exchange/sealSecrets.ts";
import type { Secrets } from "../exchange/secrets.ts";
import { formatTaskId, type TaskId } from "../ids.ts";
import { sleep } from "../platform/index.ts";
import { type ApiRequest, fetchJson } from "../service/providerApi.ts";
import type { Service } from "../service/Service.ts";
import { signRequest } from "../service/signedRequest.ts";

/** Milliseconds within which a provider should see a new task, and milliseconds between two attempts. */
const TIMEOUT_MS = 30_000;
const RETRY_INTERVAL_MS = 1_000;

const Stored = z.object({ stored: z.literal(true) });

export interface SendSecretsParameters {
  /** The task's provider. */
  readonly service: Pick<Service, "provider" | "url" | "encryptionKey">;
  readonly id: TaskId;
  readonly secrets: Secrets;
  readonly signal?: AbortSignal;
  /** Milliseconds to wait until the provider has seen the task. */
  readonly timeout?: number;
}

/**
 * Sends the secrets of a task to its provider, encrypted for that provider; they replace any sent before. The provider
 * deletes them when the task ends.
 * @throws ProtocolError "not-found" if the provider still does not know the task after the timeout.
 * @example await sendSecrets(client, { service, id, secrets: { hfApiToken } });
 */
export async function sendSecrets(
  client: Client,
  { service, id, secrets, signal, timeout = TIMEOUT_MS }: SendSecretsParameters,
): Promise<void> {
  const body = sealSecrets({ encryptionKey: getBytes(service.encryptionKey), id, secrets });
  const path = `/v1/tasks/${formatTaskId(id)}/secrets`;
  const end = performance.now() + timeout;
  for (;;) {
    const headers = {
      ...(await signRequest(client, { method: "PUT", path, body })),
      "Content-Type": "application/octet-stream",
    };
    const request: ApiRequest = { method: "PUT", path, headers, body, signal };
    try {
      await fetchJson(service, request, Stored);
      return;
    } catch (error) {
      const isNew = error instanceof ProtocolError && error.code === "not-found";
      if (!isNew || performance.now() > end) throw error;
    }
    await sleep(Math.min(RETRY_INTERVAL_MS, timeout / 10), signal);
  }
}
