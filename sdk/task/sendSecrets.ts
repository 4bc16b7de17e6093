import { setTimeout as sleep } from "node:timers/promises";
import { getBytes } from "ethers";
import { z } from "zod";
import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { sealSecrets } from "../exchange/sealSecrets.ts";
import type { Secrets } from "../exchange/secrets.ts";
import { formatTaskId, type TaskId } from "../ids.ts";
import { type ApiRequest, fetchJson } from "../service/providerApi.ts";
import type { Service } from "../service/Service.ts";
import { signRequest } from "../service/signedRequest.ts";

/** Milliseconds in which a provider should have seen a task that was just created, and between two tries. */
const TIMEOUT_MS = 30_000;
const PAUSE = 1_000;

const Stored = z.object({ stored: z.literal(true) });

export interface SendSecretsParameters {
  /** The task's provider. */
  readonly service: Pick<Service, "provider" | "url" | "encryptionKey">;
  readonly id: TaskId;
  readonly secrets: Secrets;
  readonly signal?: AbortSignal;
  /** Milliseconds to wait for the provider to see the task. */
  readonly patience?: number;
}

/**
 * Sends secrets of a task of the client's user to its provider, encrypted for it alone; they take the place of those
 * sent before. The provider forgets them when the task ends.
 * @throws ProtocolError "not-found" when the provider does not know the task, even after a while.
 * @example await sendSecrets(client, { service, id, secrets: { hfApiToken } });
 */
export async function sendSecrets(
  client: Client,
  { service, id, secrets, signal, patience = TIMEOUT_MS }: SendSecretsParameters,
): Promise<void> {
  const body = sealSecrets({ encryptionKey: getBytes(service.encryptionKey), id, secrets });
  const path = `/v1/tasks/${formatTaskId(id)}/secrets`;
  const end = performance.now() + patience;
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
    await sleep(Math.min(PAUSE, patience / 10), undefined, signal ? { signal } : {}).catch(() =>
      signal?.throwIfAborted(),
    );
  }
}
