import type { FastifyInstance, FastifyRequest } from "fastify";
import type { BlobStore } from "./BlobStore.ts";
import type { Gates } from "./gates.ts";
import type { SubmissionLog } from "./SubmissionLog.ts";
import { uploaderAt } from "./uploader.ts";
import { ZgsError } from "./ZgsError.ts";
import { zgsMethods } from "./zgsMethods.ts";

/** Most bytes of one call: the official clients send up to ten segments, in base64. */
const MAX_CALL_BYTES = 8 * 2 ** 20;

/** The id of a call, by JSON-RPC 2.0. */
type Id = string | number | null;

/** 0G's JSON-RPC of storage node and indexer, at `/`. Every response has HTTP status 200, as clients require. */
export function addZgsRoute(
  app: FastifyInstance,
  {
    store,
    submissions,
    gates,
  }: { store: BlobStore; submissions: SubmissionLog | null; gates: Gates },
): void {
  const methods = zgsMethods(store, submissions);
  // A separate scope: other routes on this port do not accept JSON.
  app.register(async (scope) => {
    scope.addHook("onRequest", (request, reply) => gates.calls(request, reply));
    scope.addContentTypeParser("application/json", { parseAs: "buffer" }, (_, body, done) => {
      done(null, body);
    });
    scope.post("/", { bodyLimit: MAX_CALL_BYTES }, async (request, reply) => {
      reply.type("application/json");
      return answer(methods, request);
    });
  });
}

async function answer(methods: ReturnType<typeof zgsMethods>, request: FastifyRequest) {
  let id: Id = null;
  try {
    const call = readCall(request.body);
    id = call.id;
    const method = methods.get(call.method);
    if (!method) throw ZgsError.unknownMethod;
    const url = `${request.protocol}://${request.host}`;
    const result = await method(call.params, url, uploaderAt(request.ip));
    return { jsonrpc: "2.0", id, result: result ?? null };
  } catch (error) {
    const { code, message, data } = ZgsError.from(error);
    if (!(error instanceof ZgsError)) request.log.error({ err: error }, "storage call failed");
    return { jsonrpc: "2.0", id, error: { code, message, data } };
  }
}

/** Parses one call. Batches, which no official client sends, are refused: their responses could exhaust the memory. */
function readCall(body: unknown): { id: Id; method: string; params: unknown[] } {
  const call = parse(body);
  const { id = null, method, params = [] } = (call ?? {}) as Record<string, unknown>;
  const isId = id === null || typeof id === "string" || typeof id === "number";
  if (!isId || typeof method !== "string" || !Array.isArray(params)) throw ZgsError.invalidRequest;
  return { id, method, params };
}

function parse(body: unknown): unknown {
  try {
    return JSON.parse(String(body));
  } catch {
    throw ZgsError.notJson;
  }
}
