import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  LogController,
} from "fastify";
import { isContract } from "../../sdk/service/isSignedBy.ts";
import { cachedByKey } from "../cached.ts";
import { addressGroup } from "../http/addressGroup.ts";
import { limitConnections } from "../http/limitConnections.ts";
import { ApiError } from "./ApiError.ts";
import { addCancellationRoutes, type CancellationRoutes } from "./cancellationRoutes.ts";
import { addPublicRoutes, type PublicRoutes } from "./publicRoutes.ts";
import { RateLimit } from "./RateLimit.ts";
import { addSecretRoutes, type SecretRoutes } from "./secretRoutes.ts";
import { addTaskRoutes, type TaskRoutes } from "./taskRoutes.ts";

/** Sealed secrets are the largest body. */
const BODY_LIMIT = 1024;
/** Milliseconds within which a request must have been received. */
const REQUEST_TIMEOUT_MS = 10_000;
/** Milliseconds without traffic in either direction; a followed log can be silent for a while. */
const IDLE_TIMEOUT_MS = 300_000;
const CONNECTIONS = { total: 512, perAddress: 64, idleMs: 15_000 };
const MAX_PARAMETER_LENGTH = 128;
/** Milliseconds for which it is cached whether a user is a contract. */
const CODE_AGE = 60_000;

type Routes = PublicRoutes & TaskRoutes & SecretRoutes & CancellationRoutes;

export type ApiOptions = Omit<Routes, "isContract"> & { readonly log: FastifyBaseLogger };

/** The provider's HTTP API, not listening yet. */
export function createApi(options: ApiOptions): FastifyInstance {
  const app: FastifyInstance = fastify({
    loggerInstance: options.log,
    logController: new LogController({ disableRequestLogging: true }), // health checks would flood the log
    bodyLimit: BODY_LIMIT,
    trustProxy: "loopback", // X-Forwarded-For counts only if it comes from a proxy on this machine
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: IDLE_TIMEOUT_MS,
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    forceCloseConnections: true,
    frameworkErrors: (error, _request, reply) => sendError(error, reply),
  });
  limitConnections(app.server, CONNECTIONS);
  const limit = new RateLimit(options.clock);
  app.addHook("onRequest", async (request) => {
    if (!limit.allows(addressGroup(request.ip))) {
      throw new ApiError(429, "too-early", "Too many requests.", "Wait a moment, then try again.");
    }
  });
  app.setErrorHandler((error: FastifyError, request, reply) => {
    if (statusOf(error) >= 500)
      request.log.error({ err: error, path: request.routeOptions.url }, "request failed");
    return sendError(error, reply);
  });
  app.setNotFoundHandler(() => {
    throw new ApiError(404, "not-found", "Path not found.", "GET /openapi.json lists the API.");
  });
  const { client, clock } = options;
  const askCode = (address: string) => isContract(client, address);
  const routes: Routes = { ...options, isContract: cachedByKey(askCode, CODE_AGE, clock) };
  addPublicRoutes(app, routes);
  addTaskRoutes(app, routes);
  addSecretRoutes(app, routes);
  addCancellationRoutes(app, routes);
  return app;
}

function sendError(error: FastifyError | ApiError, reply: FastifyReply): FastifyReply {
  if (error instanceof ApiError) {
    const { status, code, message, hint } = error;
    return reply.status(status).send({ code, message, hint });
  }
  const status = statusOf(error);
  // Internal details belong in the operator's log, not in a public response.
  const message = status >= 500 ? "The provider could not process the request." : error.message;
  const code = status >= 500 ? "network" : "usage";
  return reply.status(status).send({ code, message, hint: "Try again later." });
}

function statusOf(error: FastifyError | ApiError): number {
  return error instanceof ApiError ? error.status : (error.statusCode ?? 500);
}
