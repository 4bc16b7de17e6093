import { open } from "node:fs/promises";
import type { OutgoingHttpHeaders } from "node:http";
import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from "fastify";
import type { Root } from "../../sdk/ids.ts";
import { MAX_RUN } from "../../sdk/storage/transfer/RunQueue.ts";
import { SEGMENT_TIMEOUT_MS } from "../../sdk/storage/transfer/receiveSegments.ts";
import { NODE_BYTES } from "../../sdk/storage/tree/merkle.ts";
import { paddedSegmentCount, SEGMENT_BYTES } from "../../sdk/storage/tree/segment.ts";
import { type ConnectionLimits, limitConnections } from "../http/limitConnections.ts";
import { BlobStore, type StorageLimits, type StoreSurroundings } from "./BlobStore.ts";
import { parseByteRange } from "./byteRange.ts";
import { type ClaimCheck, claimant } from "./claims.ts";
import { createGates, type Gates } from "./gates.ts";
import { StorageError } from "./StorageError.ts";
import type { SubmissionLog } from "./SubmissionLog.ts";
import { streamFile } from "./streamFile.ts";
import { tooLargeError, wrongListLengthError } from "./uploadErrors.ts";
import { OWN, type Uploader, uploaderAt } from "./uploader.ts";
import { addZgsRoute } from "./zgsRpc.ts";

/** Milliseconds without traffic in either direction; reading back a large upload takes a while. */
const IDLE_TIMEOUT_MS = 300_000;

/** The official TypeScript client opens one connection per segment, for a file of any size. */
const CONNECTIONS: ConnectionLimits = { total: 2048, perAddress: 256, idleMs: 15_000 };

interface RootParams {
  Params: { root: string };
}

export interface StorageServerOptions {
  /** The files announced to 0G's Flow contract, if the chain has one. */
  readonly submissions?: SubmissionLog | null;
  /** Checks signed claims; without it, none count. */
  readonly claims?: ClaimCheck;
  readonly logger?: FastifyBaseLogger;
  /** Limits for connections, if not the default. */
  readonly connections?: ConnectionLimits;
}

/**
 * The embedded storage node, not listening yet. Blobs are public to anyone who knows their root; secret data is
 * encrypted before it is uploaded.
 * @param references roots that open tasks refer to, which do not expire
 */
export async function createStorageServer({
  directory,
  limits,
  references,
  ...options
}: StorageServerOptions & {
  directory: string;
  limits: StorageLimits;
  references?: StoreSurroundings["references"];
}): Promise<FastifyInstance> {
  const store = await BlobStore.open(directory, limits, references && { references });
  return serveStore(store, limits, options);
}

/** Serves a store to the public, with limits per address and in total. */
export function serveStore(
  store: BlobStore,
  limits: StorageLimits,
  { submissions = null, claims, logger, connections = CONNECTIONS }: StorageServerOptions,
): FastifyInstance {
  const app = createServer(limits, logger);
  limitConnections(app.server, connections);
  const gates = createGates(limits.rateWindowMs);
  const uploaderOf: UploaderOf = claims
    ? (request, path) => claimant(claims, request, path)
    : async (request) => uploaderAt(request.ip);
  addRoutes(app, { store, limits, gates, uploaderOf });
  addZgsRoute(app, { store, submissions, gates });
  return app;
}

/** Serves a store to the daemon itself, on a private address: without limits, and with the reserved space. */
export function serveOwn(
  store: BlobStore,
  limits: StorageLimits,
  logger?: FastifyBaseLogger,
): FastifyInstance {
  const app = createServer(limits, logger);
  addRoutes(app, { store, limits, gates: null, uploaderOf: async () => OWN });
  return app;
}

function createServer(limits: StorageLimits, logger?: FastifyBaseLogger): FastifyInstance {
  const { segmentTimeoutMs = SEGMENT_TIMEOUT_MS } = limits;
  const app: FastifyInstance = fastify({
    ...(logger ? { loggerInstance: logger } : { logger: false }),
    bodyLimit: SEGMENT_BYTES,
    trustProxy: "loopback", // X-Forwarded-For counts only if it comes from a proxy on this machine
    requestTimeout: 0, // bodies have a minimum rate instead: a request may wait for its turn
    connectionTimeout: IDLE_TIMEOUT_MS,
    http: {
      headersTimeout: segmentTimeoutMs,
      connectionsCheckingInterval: Math.min(5_000, segmentTimeoutMs),
      highWaterMark: 16 * 1024, // most that is read from a waiting socket
    },
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    frameworkErrors: (error, _request, reply) => sendError(error, reply),
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/octet-stream", { parseAs: "buffer" }, (_, body, done) => {
    done(null, body);
  });
  app.setErrorHandler((error: FastifyError, request, reply) => {
    if (statusOf(error) >= 500) request.log.error({ err: error }, "storage request failed");
    return sendError(error, reply);
  });
  app.setNotFoundHandler((request) => {
    throw new StorageError(
      404,
      "no-such-path",
      `No such path for ${request.method}.`,
      "Use /blobs/<root>, /blobs/<root>/segments or /uploads/<root>.",
    );
  });
  return app;
}

type UploaderOf = (request: FastifyRequest, path: string) => Promise<Uploader>;

interface Serving {
  readonly store: BlobStore;
  readonly limits: StorageLimits;
  /** Null: no limits. */
  readonly gates: Gates | null;
  readonly uploaderOf: UploaderOf;
}

function addRoutes(app: FastifyInstance, serving: Serving): void {
  addBlobRoutes(app, serving);
  addUploadRoutes(app, serving);
  app.register(async (scope) => addRunRoute(scope, serving));
}

function addBlobRoutes(app: FastifyInstance, serving: Serving): void {
  const { store } = serving;
  app.route<RootParams>({
    method: ["GET", "HEAD"],
    url: "/blobs/:root",
    handler: async (request, reply) => {
      const root = readRoot(request.params.root);
      const size = sizeOf(store, root);
      const range = parseByteRange(request.headers.range, size);
      const { start, end } = range ?? { start: 0, end: size - 1 };
      if (range) reply.code(206).header("content-range", `bytes ${start}-${end}/${size}`);
      reply.headers({ "accept-ranges": "bytes", etag: `"${root}"` });
      return sendFile(serving, { request, reply, root, path: store.blobPath(root) }, start, end);
    },
  });

  app.route<RootParams>({
    method: ["GET", "HEAD"],
    url: "/blobs/:root/segments",
    handler: async (request, reply) => {
      const root = readRoot(request.params.root);
      const length = paddedSegmentCount(sizeOf(store, root)) * NODE_BYTES;
      const path = store.segmentListPath(root);
      return sendFile(serving, { request, reply, root, path }, 0, length - 1);
    },
  });
}

type SizeQuery = { Querystring: { size?: unknown } };

function addUploadRoutes(
  app: FastifyInstance,
  { store, limits, gates, uploaderOf }: Serving,
): void {
  app.put<RootParams & SizeQuery>(
    "/uploads/:root",
    {
      bodyLimit: paddedSegmentCount(limits.uploadBytes) * NODE_BYTES,
      onRequest: async (request, reply) => {
        readRoot(request.params.root);
        const size = readInteger(request.query.size, "The size");
        // Refused before a byte is read: the body must be the segment list of that size.
        if (size > limits.uploadBytes) throw tooLargeError(size, limits.uploadBytes);
        requireListLength(request, size);
        await gates?.lists(request, reply);
      },
    },
    async (request) => {
      const root = readRoot(request.params.root);
      const size = readInteger(request.query.size, "The size");
      const uploader = await uploaderOf(request, `/uploads/${root}?size=${size}`);
      return store.begin({ root, size, segmentRoots: readBody(request) }, uploader);
    },
  );

  app.post<RootParams & SizeQuery>("/uploads/:root/finish", async (request) => {
    const root = readRoot(request.params.root);
    await store.finish(root, optionalSize(request.query.size));
    return { root, size: store.size(root) };
  });
}

/** Added in a separate scope, in which bodies are streams. */
function addRunRoute(app: FastifyInstance, { store, gates }: Serving): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/octet-stream", (_, stream, done) => done(null, stream));
  app.put<{ Params: { root: string; first: string } } & SizeQuery>(
    "/uploads/:root/segments/:first",
    async (request, reply) => {
      const root = readRoot(request.params.root);
      const first = readInteger(request.params.first, "The segment number");
      const size = optionalSize(request.query.size);
      const length = readLength(request);
      const { raw } = request;
      await gates?.runs(request, reply, { usesReserve: store.isReferenced(root) });
      // Not destroyed on an early return: the client must receive the response.
      const stream = raw.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
      const run = { first, length, stream, ...(size !== undefined && { size }) };
      await store.putRun(root, run, () => raw.destroy(tooSlowError()));
      return reply.code(204).send();
    },
  );
}

/** The announced size determines the length of the segment list. */
function requireListLength(request: FastifyRequest, size: number): void {
  const length = request.headers["content-length"];
  if (length === undefined && request.headers["transfer-encoding"] === undefined) return;
  const wanted = paddedSegmentCount(size) * NODE_BYTES;
  if (Number(length) === wanted) return;
  throw wrongListLengthError(wanted);
}

/** Bytes of a run's body. */
function readLength(request: FastifyRequest): number {
  if (request.body === undefined || request.body === null) throw noBodyError();
  const length = Number(request.headers["content-length"]);
  if (length > 0 && length <= MAX_RUN * SEGMENT_BYTES) return length;
  throw new StorageError(
    length > 0 ? 413 : 411,
    "bad-length",
    `A run has 1 to ${MAX_RUN * SEGMENT_BYTES} bytes.`,
    "Send as many whole segments as fit, and their length in Content-Length.",
  );
}

function tooSlowError(): StorageError {
  return new StorageError(
    408,
    "too-slow",
    "The next segment did not arrive in time.",
    "Send the missing segments again.",
  );
}

interface Answer {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly root: Root;
  readonly path: string;
}

async function sendFile(
  { store, gates }: Serving,
  { request, reply, root, path }: Answer,
  start: number,
  end: number,
): Promise<FastifyReply> {
  reply.type("application/octet-stream").header("content-length", end - start + 1);
  if (request.method === "HEAD") return reply.send();
  await gates?.reads(request, reply, { usesReserve: store.isReferenced(root) });
  const file = await open(path, "r");
  try {
    reply.hijack();
    reply.raw.writeHead(reply.statusCode, reply.getHeaders() as OutgoingHttpHeaders);
    await streamFile(file, reply.raw, start, end);
  } catch (error) {
    request.log.error({ err: error }, "a file could not be sent");
    reply.raw.destroy();
  } finally {
    await file.close();
  }
  return reply;
}

function sizeOf(store: BlobStore, root: Root): number {
  const size = store.size(root);
  if (size !== undefined) return size;
  throw new StorageError(
    404,
    "unknown-root",
    `There is no blob ${root}.`,
    "Check the root hash, and that its upload was finished.",
  );
}

/** Validates a root, which becomes a file name: only its canonical spelling is accepted. */
function readRoot(text: string): Root {
  if (/^0x[0-9a-f]{64}$/.test(text)) return text as Root;
  throw new StorageError(
    400,
    "bad-root",
    "The path contains no valid root hash.",
    "Use 0x and 64 lower-case hex digits.",
  );
}

function readInteger(text: unknown, what: string): number {
  if (typeof text === "string" && /^\d{1,15}$/.test(text)) return Number(text);
  throw new StorageError(400, "bad-number", `${what} is not a whole number.`, "Use digits only.");
}

const optionalSize = (text: unknown) =>
  text === undefined ? undefined : readInteger(text, "The size");

function readBody(request: FastifyRequest): Uint8Array {
  if (request.body instanceof Uint8Array) return request.body;
  throw noBodyError();
}

function noBodyError(): StorageError {
  return new StorageError(
    400,
    "no-body",
    "The request has no body.",
    "Send the bytes as application/octet-stream.",
  );
}

function statusOf(error: FastifyError | StorageError): number {
  if (error instanceof StorageError) return error.status;
  if (error.code === "ENOSPC") return 507;
  return error.statusCode ?? 500;
}

/** Sends an error without exposing internal details. */
function sendError(error: FastifyError | StorageError, reply: FastifyReply): FastifyReply {
  const status = statusOf(error);
  reply.code(status).type("application/json");
  if (error instanceof StorageError) {
    return reply.send({ code: error.code, message: error.message, hint: error.hint });
  }
  if (status >= 500) {
    return reply.send({
      code: status === 507 ? "disk-full" : "unexpected",
      message: status === 507 ? "The disk is full." : "The storage could not process the request.",
      hint: "Try again later or use another provider.",
    });
  }
  return reply.send({
    code: "bad-request",
    message: `${error.message}.`.replace(/\.\.$/, "."),
    hint: "See the description of this API.",
  });
}
