import type { FastifyRequest } from "fastify";
import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { parseTaskId } from "../../sdk/ids.ts";
import { type VerifiedRequest, verifyRequest } from "../../sdk/service/signedRequest.ts";
import type { JobRecord, Store } from "../store/Store.ts";
import { ApiError } from "./ApiError.ts";

export interface Authentication {
  readonly client: Client;
  readonly store: Store;
  /** Unix time in milliseconds: users timestamp requests by their own clocks. */
  readonly wallTime: () => number;
}

/**
 * The job that a request refers to, if the task's user has signed it.
 * @throws ApiError 401 without a valid signature, 403 for anyone else, 404 for an unknown task, 409 for a replay.
 */
export function authenticate(
  { client, store, wallTime }: Authentication,
  request: FastifyRequest<{ Params: { id: string } }>,
): JobRecord {
  const now = wallTime();
  const { user, nonce, deadline } = verify(client, request, new Date(now));
  const record = findJob(store, request.params.id);
  if (record.user.toLowerCase() !== user.toLowerCase()) {
    throw new ApiError(
      403,
      "declined",
      "This task was ordered by another account.",
      "Sign with the key of the account that created the task.",
    );
  }
  // Only the task's own user gets this far, so nobody else can fill the table of nonces.
  if (!store.useNonce(user, nonce, deadline, Math.floor(now / 1000))) {
    throw new ApiError(
      409,
      "declined",
      "This signed request was used before.",
      "Sign every request separately.",
    );
  }
  return record;
}

function verify(client: Client, request: FastifyRequest, now: Date): VerifiedRequest {
  try {
    return verifyRequest({
      chainId: client.chainId,
      serving: client.servingAddress,
      method: request.method,
      path: request.url,
      body: Buffer.isBuffer(request.body) ? request.body : undefined,
      header: request.headers.authorization,
      now,
    });
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    const code = error.code === "usage" ? "usage" : "declined";
    throw new ApiError(401, code, error.message, error.hint);
  }
}

function findJob(store: Store, uuid: string): JobRecord {
  const record = tryParse(uuid);
  const job = record && store.job(record);
  if (job) return job;
  throw new ApiError(
    404,
    "not-found",
    "This provider does not know the task.",
    "Check the task id and the provider; a new task takes a moment to arrive.",
  );
}

function tryParse(uuid: string) {
  try {
    return parseTaskId(uuid);
  } catch {
    return null;
  }
}
