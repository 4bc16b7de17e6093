import type { IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import type { StorageLimits } from "../../../../provider/storage/BlobStore.ts";
import { createStorageServer } from "../../../../provider/storage/storageServer.ts";
import { SEGMENT_BYTES } from "../../../../sdk/storage/tree/segment.ts";

/** Limits that no test reaches by accident. */
export const WIDE_LIMITS: StorageLimits = {
  totalBytes: 2 ** 30,
  uploadBytes: 2 ** 30,
  freeDiskBytes: 0,
  abandonedAfterMs: 3_600_000,
};

/** One answered request: "PUT /uploads/0x…/segments/3 204". */
export interface Answered {
  readonly line: string;
  /** The segments received or served with it: "PUT 3", "GET 0". */
  readonly segments: readonly string[];
}

/** A real storage node on a free port that records its answers. */
export class StorageNode {
  readonly app: FastifyInstance;
  readonly answered: Answered[] = [];
  /** Called after every answer. */
  onAnswered: (answered: Answered) => void = () => {};

  private constructor(app: FastifyInstance) {
    this.app = app;
  }

  static async start(directory: string, limits: StorageLimits = WIDE_LIMITS): Promise<StorageNode> {
    const app = await createStorageServer({ directory, limits });
    const node = new StorageNode(app);
    app.addHook("onResponse", async (request, reply) => {
      const path = request.url.split("?")[0];
      const line = `${request.method} ${path} ${reply.statusCode}`;
      const answered = { line, segments: segmentsOf(line, request.headers) };
      node.answered.push(answered);
      node.onAnswered(answered);
    });
    await app.listen({ host: "127.0.0.1", port: 0 });
    return node;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.app.server.address() as AddressInfo).port}`;
  }

  /** Segments received or served so far. */
  get segments(): string[] {
    return this.answered.flatMap(({ segments }) => segments);
  }

  async stop(): Promise<void> {
    await this.app.close();
  }
}

function segmentsOf(line: string, headers: IncomingHttpHeaders): string[] {
  const put = /^PUT .*\/segments\/(\d+) 204$/.exec(line);
  if (put) return named("PUT", Number(put[1]), Number(headers["content-length"]));
  if (!/^GET \/blobs\/0x[0-9a-f]{64} 206$/.test(line)) return [];
  const [start, end] = headers.range!.match(/\d+/g)!.map(Number) as [number, number];
  return named("GET", start / SEGMENT_BYTES, end + 1 - start);
}

function named(verb: string, first: number, bytes: number): string[] {
  const count = Math.ceil(bytes / SEGMENT_BYTES);
  return Array.from({ length: count }, (_, i) => `${verb} ${first + i}`);
}
