import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Client } from "../../sdk/client.ts";
import { signChallenge } from "../../sdk/service/challenge.ts";
import { cached } from "../cached.ts";
import type { Registration } from "../chain/Registration.ts";
import type { Clock } from "../clock.ts";
import { occupiedSlots, slotQueue } from "../jobs/scheduler.ts";
import { estimateWait } from "../jobs/waitingTime.ts";
import type { Metrics } from "../Metrics.ts";
import type { Catalogue, Model } from "../models/Catalogue.ts";
import { UsageArchives } from "../models/UsageArchives.ts";
import type { ProvidedTerms } from "../providedTerms.ts";
import type { Readiness, Reason } from "../Readiness.ts";
import type { Store } from "../store/Store.ts";
import { ApiError } from "./ApiError.ts";
import { OPEN_API } from "./openApi.ts";

export interface PublicRoutes {
  readonly client: Client;
  readonly store: Store;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  readonly registration: Pick<Registration, "isOperator">;
  readonly slots: number;
  /** What training runs on, such as "NVIDIA H200"; null if that is not known. */
  readonly device: () => string | null;
  readonly jobsDirectory: string;
  /** Known once the API is listening. */
  readonly terms: () => ProvidedTerms;
}

/** Milliseconds for which public responses are cached. */
const ANSWER_AGE = 1_000;

type ModelRequest = FastifyRequest<{ Params: { name: string } }>;

/** The routes that need no authentication. */
export function addPublicRoutes(app: FastifyInstance, routes: PublicRoutes): void {
  const { client, catalogue, clock, metrics, slots, terms } = routes;
  // Expensive responses are computed once for all concurrent requests.
  const measure = cached(() => metrics.registry.metrics(), ANSWER_AGE, clock);
  const queue = cached(() => readQueue(routes), ANSWER_AGE, clock);
  const archives = new UsageArchives();

  app.get("/healthz", async () => ({ status: "ok" }));
  app.get("/readyz", async (_request, reply) => {
    const reasons = notReadyReasons(routes);
    const [first] = reasons;
    if (!first) return { status: "ready" };
    const { message, hint } = first;
    return reply.status(503).send({ code: "too-early", message, hint, reasons });
  });
  app.get("/metrics", async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await measure()),
  );
  app.get("/openapi.json", async () => OPEN_API);
  app.get("/v1/terms", async () => terms());

  app.get("/v1/models", async (_request, reply) =>
    reply.type("application/json").send(catalogue.bytes),
  );
  app.get("/v1/models/:name/tokenizer", async (request: ModelRequest, reply) =>
    reply.type("application/json").send(findModel(catalogue, request).tokenizerDocument),
  );
  app.get("/v1/models/:name/usage", async (request: ModelRequest, reply) => {
    const archive = await archives.of(findModel(catalogue, request));
    return reply.type("application/zip").send(archive);
  });

  app.get("/v1/challenge", async (request: FastifyRequest<{ Querystring: { nonce?: string } }>) => {
    const { nonce } = request.query;
    if (!routes.registration.isOperator) throw notOperatorError();
    if (typeof nonce === "string" && /^0x[0-9a-fA-F]{64}$/.test(nonce))
      return signChallenge(client, { nonce });
    throw new ApiError(400, "usage", "nonce is not 32 bytes.", "Use 0x and 64 hex digits.");
  });

  app.get("/v1/queue", async () => ({
    accepting: routes.readiness.reasons().length === 0,
    slots,
    device: routes.device(),
    ...(await queue()),
  }));
}

function notOperatorError(): ApiError {
  return new ApiError(
    503,
    "declined",
    "This daemon's key is no longer the registered operator's.",
    "Try again later, or choose another provider.",
  );
}

async function readQueue(routes: PublicRoutes) {
  const jobs = routes.store.openJobs();
  const waiting = slotQueue(jobs).length;
  const waitSeconds = await estimateWait(routes, jobs, waiting);
  return { running: occupiedSlots(jobs), waiting, waitSeconds };
}

const UNFOLLOWED: Reason = {
  name: "chain",
  message: "The chain has not been read recently.",
  hint: "Check the provider's log, and RPC_ENDPOINT.",
};

function notReadyReasons({ metrics, readiness, clock }: PublicRoutes): readonly Reason[] {
  const isFollowed = metrics.isReady(clock.now());
  return [...(isFollowed ? [] : [UNFOLLOWED]), ...readiness.reasons()];
}

function findModel(catalogue: Catalogue, request: ModelRequest): Model {
  const model = catalogue.byName(request.params.name);
  if (model) return model;
  throw new ApiError(
    404,
    "not-found",
    `This provider has no model ${request.params.name}.`,
    "List its models with list-models.",
  );
}
