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
import { NODE_BYTES } from "../../sdk/storage/merkle.ts";
import { SEGMENT_PATIENCE } from "../../sdk/storage/receiveSegments.ts";
import { MAX_RUN } from "../../sdk/storage/runQueue.ts";
import { paddedSegmentCount, SEGMENT_BYTES } from "../../sdk/storage/segment.ts";
import { BlobStore, type StorageLimits, type StoreSurroundings } from "./blobStore.ts";
import { parseByteRange } from "./byteRange.ts";
import { pourFile } from "./pourFile.ts";
import { StorageRefusal } from "./storageRefusal.ts";
import type { SubmissionLog } from "./submissionLog.ts";
import { uploaderAt } from "./uploadQuota.ts";
import { addZgsRoute } from "./zgsRpc.ts";

/** Runs of segments that are taken in at once: each holds two segments in memory. */
const MAX_RUNS = 128;

/** Milliseconds without a byte in either direction; reading back a large upload takes its time. */
const SILENCE_TIMEOUT = 300_000;

/** The official TypeScript client opens one per segment, for a file of any size; what waits on them is not read yet. */
const MAX_CONNECTIONS = 2048;

interface RootParams {
  Params: { root: string };
}

/**
 * The embedded storage node, not listening yet. Contents are public to whoever knows their root;
 * what must stay secret is encrypted before it comes here.
 * @param references what tasks under way refer to: it does not expire
 * @param submissions the files announced to 0G's Flow contract, where the chain has one
 */
export async function createStorageServer({
  directory,
  limits,
  submissions = null,
  references,
  logger,
}: {
  directory: string;
  limits: StorageLimits;
  submissions?: SubmissionLog | null;
  references?: StoreSurroundings["references"];
  logger?: FastifyBaseLogger;
}): Promise<FastifyInstance> {
  const store = await BlobStore.open(directory, limits, references && { references });
  const { segmentPatienceMs = SEGMENT_PATIENCE } = limits;
  const app: FastifyInstance = fastify({
    ...(logger ? { loggerInstance: logger } : { logger: false }),
    bodyLimit: SEGMENT_BYTES,
    trustProxy: "loopback", // a proxy on this machine says who uploads; anybody else's word for it does not count
    requestTimeout: segmentPatienceMs, // clients find a length of run that takes no second
    connectionTimeout: SILENCE_TIMEOUT,
    http: {
      headersTimeout: segmentPatienceMs,
      connectionsCheckingInterval: Math.min(30_000, segmentPatienceMs),
    },
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    frameworkErrors: (error, _request, reply) => sendError(error, reply),
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/octet-stream", { parseAs: "buffer" }, (_, body, done) => {
    done(null, body);
  });
  app.setErrorHandler((error: FastifyError, request, reply) => {
    if (statusOf(error) >= 500) request.log.error({ error }, "storage request failed");
    return sendError(error, reply);
  });
  app.setNotFoundHandler((request) => {
    throw new StorageRefusal(
      404,
      "no-such-path",
      `There is nothing to ${request.method} here.`,
      "Use /blobs/<root>, /blobs/<root>/segments or /uploads/<root>.",
    );
  });
  addBlobRoutes(app, store);
  addUploadRoutes(app, store, limits);
  app.register(async (scope) => addRunRoute(scope, store));
  addZgsRoute(app, store, submissions);
  return app;
}

function addBlobRoutes(app: FastifyInstance, store: BlobStore): void {
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
      return sendFile(request, reply, store.blobPath(root), start, end);
    },
  });

  app.route<RootParams>({
    method: ["GET", "HEAD"],
    url: "/blobs/:root/segments",
    handler: async (request, reply) => {
      const root = readRoot(request.params.root);
      const length = paddedSegmentCount(sizeOf(store, root)) * NODE_BYTES;
      return sendFile(request, reply, store.segmentListPath(root), 0, length - 1);
    },
  });
}

function addUploadRoutes(app: FastifyInstance, store: BlobStore, limits: StorageLimits): void {
  app.put<RootParams & { Querystring: { size?: unknown } }>(
    "/uploads/:root",
    { bodyLimit: paddedSegmentCount(limits.uploadBytes) * NODE_BYTES },
    async (request) => {
      const root = readRoot(request.params.root);
      const size = readInteger(request.query.size, "The size");
      const address = uploaderAt(request.ip);
      return store.begin({ root, size, segmentRoots: readBody(request) }, address);
    },
  );

  app.post<RootParams>("/uploads/:root/finish", async (request) => {
    const root = readRoot(request.params.root);
    await store.finish(root);
    return { root, size: store.size(root) };
  });
}

/** In a scope of its own, in which bodies are streams. */
function addRunRoute(app: FastifyInstance, store: BlobStore): void {
  let runs = 0;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/octet-stream", (_, stream, done) => done(null, stream));
  app.put<{ Params: { root: string; first: string } }>(
    "/uploads/:root/segments/:first",
    async (request, reply) => {
      const root = readRoot(request.params.root);
      const first = readInteger(request.params.first, "The segment number");
      const length = readLength(request);
      const { raw } = request;
      // Not destroyed when it is left early: the client has to get the answer.
      const stream = raw.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
      if (runs === MAX_RUNS) throw busy();
      runs++;
      try {
        await store.putRun(root, { first, length, stream }, () => raw.destroy(tooSlow()));
      } finally {
        runs--;
      }
      return reply.code(204).send();
    },
  );
}

/** Bytes of a run's body. */
function readLength(request: FastifyRequest): number {
  if (request.body === undefined || request.body === null) throw noBody();
  const length = Number(request.headers["content-length"]);
  if (length > 0 && length <= MAX_RUN * SEGMENT_BYTES) return length;
  throw new StorageRefusal(
    length > 0 ? 413 : 411,
    "bad-length",
    `A run has 1 to ${MAX_RUN * SEGMENT_BYTES} bytes.`,
    "Send as many whole segments as fit, and their length in Content-Length.",
  );
}

function busy(): StorageRefusal {
  return new StorageRefusal(
    503,
    "busy",
    "The storage takes in as much as it can.",
    "Try again in a minute: what is here is not sent again.",
  );
}

function tooSlow(): StorageRefusal {
  return new StorageRefusal(
    408,
    "too-slow",
    "The next segment did not come in time.",
    "Send what is missing again.",
  );
}

async function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  path: string,
  start: number,
  end: number,
): Promise<FastifyReply> {
  reply.type("application/octet-stream").header("content-length", end - start + 1);
  if (request.method === "HEAD") return reply.send();
  const file = await open(path, "r");
  reply.hijack();
  reply.raw.writeHead(reply.statusCode, reply.getHeaders() as OutgoingHttpHeaders);
  try {
    await pourFile(file, reply.raw, start, end);
  } catch (error) {
    request.log.error({ error }, "a file could not be sent");
    reply.raw.destroy();
  } finally {
    await file.close();
  }
  return reply;
}

function sizeOf(store: BlobStore, root: Root): number {
  const size = store.size(root);
  if (size !== undefined) return size;
  throw new StorageRefusal(
    404,
    "unknown-root",
    `${root} is not here.`,
    "Check the root hash, and that its upload was finished.",
  );
}

/** The only way into a file name: nothing but a root in its one spelling passes. */
function readRoot(text: string): Root {
  if (/^0x[0-9a-f]{64}$/.test(text)) return text as Root;
  throw new StorageRefusal(
    400,
    "bad-root",
    "The path names no root hash.",
    "Give 0x and 64 lower-case hex digits.",
  );
}

function readInteger(text: unknown, what: string): number {
  if (typeof text === "string" && /^\d{1,15}$/.test(text)) return Number(text);
  throw new StorageRefusal(
    400,
    "bad-number",
    `${what} is not a whole number.`,
    "Give digits only.",
  );
}

function readBody(request: FastifyRequest): Uint8Array {
  if (request.body instanceof Uint8Array) return request.body;
  throw noBody();
}

function noBody(): StorageRefusal {
  return new StorageRefusal(
    400,
    "no-body",
    "The request has no body.",
    "Send the bytes as application/octet-stream.",
  );
}

function statusOf(error: FastifyError | StorageRefusal): number {
  if (error instanceof StorageRefusal) return error.status;
  if (error.code === "ENOSPC") return 507;
  return error.statusCode ?? 500;
}

/** Says nothing about the inside of the node: a text of its own for whatever went wrong there. */
function sendError(error: FastifyError | StorageRefusal, reply: FastifyReply): FastifyReply {
  const status = statusOf(error);
  reply.code(status).type("application/json");
  if (error instanceof StorageRefusal) {
    return reply.send({ code: error.code, message: error.message, hint: error.hint });
  }
  if (status >= 500) {
    return reply.send({
      code: status === 507 ? "disk-full" : "unexpected",
      message: status === 507 ? "The disk is full." : "The storage could not do it.",
      hint: "Try again later or use another provider.",
    });
  }
  return reply.send({
    code: "bad-request",
    message: `${error.message}.`.replace(/\.\.$/, "."),
    hint: "Send what the description of this API says.",
  });
}
