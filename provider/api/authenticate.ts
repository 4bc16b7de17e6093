import type { FastifyRequest } from "fastify";
import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { parseTaskId } from "../../sdk/ids.ts";
import { isRecovered, isSignedBy } from "../../sdk/service/isSignedBy.ts";
import { type PresentedRequest, presentedRequest } from "../../sdk/service/signedRequest.ts";
import type { JobRecord, Store } from "../store/Store.ts";
import { ApiError } from "./ApiError.ts";

export interface Authentication {
  readonly client: Client;
  readonly store: Store;
  /** Unix time in milliseconds: users timestamp requests by their own clocks. */
  readonly wallTime: () => number;
  /** Whether an address has code, as known some time ago. */
  readonly isContract: (address: string) => Promise<boolean>;
}

/**
 * The job that a request refers to, if the task's user has signed it; a user may be a contract wallet.
 * @throws ApiError 401 without a valid signature, 403 for anyone else, 404 for an unknown task, 409 for a replay.
 */
export async function authenticate(
  authentication: Authentication,
  request: FastifyRequest<{ Params: { id: string } }>,
): Promise<JobRecord> {
  const { client, store, wallTime } = authentication;
  const now = wallTime();
  const presented = read(client, request, new Date(now));
  const { nonce, deadline } = presented;
  const record = findJob(store, request.params.id);
  const { user } = record;
  if (!(await isFrom(authentication, user, presented))) {
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

/** The chain is asked only about users who are contracts, so that strangers cannot cause requests to it. */
async function isFrom(
  { client, isContract }: Authentication,
  user: string,
  { digest, signature }: PresentedRequest,
): Promise<boolean> {
  const claimed = { signer: user, digest, signature };
  return isRecovered(claimed) || ((await isContract(user)) && isSignedBy(client, claimed));
}

function read(client: Client, request: FastifyRequest, now: Date): PresentedRequest {
  try {
    return presentedRequest({
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
