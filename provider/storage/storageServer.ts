import { open } from "node:fs/promises";
import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from "fastify";
import type { Root } from "../../sdk/ids.ts";
import { NODE_BYTES } from "../../sdk/storage/merkle.ts";
import { paddedSegmentCount, SEGMENT_BYTES } from "../../sdk/storage/segment.ts";
import { BlobStore, type StorageLimits } from "./blobStore.ts";
import { parseByteRange } from "./byteRange.ts";
import { StorageRefusal } from "./storageRefusal.ts";

/** Milliseconds in which a request must have come in whole; one carries a segment or a list. */
const REQUEST_TIMEOUT = 60_000;

/** Milliseconds without a byte in either direction; reading back a large upload takes its time. */
const SILENCE_TIMEOUT = 300_000;

const MAX_CONNECTIONS = 256;

interface RootParams {
  Params: { root: string };
}

/**
 * The embedded storage node, not listening yet. Contents are public to whoever knows their root;
 * what must stay secret is encrypted before it comes here.
 * @param limits sizes in bytes, the expiry in milliseconds
 */
export async function createStorageServer({
  directory,
  limits,
  logger,
}: {
  directory: string;
  limits: StorageLimits;
  logger?: FastifyBaseLogger;
}): Promise<FastifyInstance> {
  const store = await BlobStore.open(directory, limits);
  const app: FastifyInstance = fastify({
    ...(logger ? { loggerInstance: logger } : { logger: false }),
    bodyLimit: SEGMENT_BYTES,
    requestTimeout: REQUEST_TIMEOUT,
    connectionTimeout: SILENCE_TIMEOUT,
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
      return store.begin({ root, size, segmentRoots: readBody(request) });
    },
  );

  app.put<{ Params: { root: string; index: string } }>(
    "/uploads/:root/segments/:index",
    async (request, reply) => {
      const root = readRoot(request.params.root);
      const index = readInteger(request.params.index, "The segment number");
      await store.putSegment(root, index, readBody(request));
      return reply.code(204).send();
    },
  );

  app.post<RootParams>("/uploads/:root/finish", async (request) => {
    const root = readRoot(request.params.root);
    await store.finish(root);
    return { root, size: store.size(root) };
  });
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
  const handle = await open(path, "r");
  return reply.send(handle.createReadStream({ start, end }));
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
  throw new StorageRefusal(
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
