import type { FastifyInstance, FastifyRequest } from "fastify";
import { ProtocolError } from "../../sdk/errors.ts";
import { openSecrets } from "../../sdk/exchange/openSecrets.ts";
import type { TaskId } from "../../sdk/ids.ts";
import type { EncryptionKeys } from "../EncryptionKeys.ts";
import { hasTrainingEnded } from "../jobs/progress.ts";
import { putSecrets } from "../steps/parts/taskSecrets.ts";
import { ApiError } from "./ApiError.ts";
import { type Authentication, authenticate } from "./authenticate.ts";

export interface SecretRoutes extends Authentication {
  readonly jobsDirectory: string;
  readonly encryptionKeys: EncryptionKeys;
}

type SecretRequest = FastifyRequest<{ Params: { id: string } }>;

/** Enough for two API tokens of 256 characters, as sealed JSON. */
const MAX_SEALED_BYTES = 1_024;

/** Lets the user of a task store, sealed, the API tokens that the provider needs for hubs and trackers. */
export function addSecretRoutes(app: FastifyInstance, routes: SecretRoutes): void {
  const options = { parseAs: "buffer", bodyLimit: MAX_SEALED_BYTES } as const;
  app.addContentTypeParser("application/octet-stream", options, (_request, body, done) =>
    done(null, body),
  );

  app.put("/v1/tasks/:id/secrets", async (request: SecretRequest) => {
    const { id, job } = await authenticate(routes, request);
    if (hasTrainingEnded(job)) throw tooLateError();
    const sealed = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    checkOpens(routes.encryptionKeys, id, sealed);
    await putSecrets(routes.jobsDirectory, id, sealed);
    return { stored: true };
  });
}

function checkOpens(keys: EncryptionKeys, id: TaskId, sealed: Uint8Array): void {
  try {
    keys.open(({ secret }) => openSecrets({ secret, id, sealed }));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new ApiError(400, "usage", error.message, error.hint);
  }
}

function tooLateError(): ApiError {
  return new ApiError(
    409,
    "declined",
    "The task's training has ended, so its secrets are no longer needed.",
    "Send them right after create-task.",
  );
}
