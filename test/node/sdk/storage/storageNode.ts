import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import type { StorageLimits } from "../../../../provider/storage/blobStore.ts";
import { createStorageServer } from "../../../../provider/storage/storageServer.ts";

/** Limits that no test meets by accident. */
export const WIDE_LIMITS: StorageLimits = {
  totalBytes: 2 ** 30,
  uploadBytes: 2 ** 30,
  freeDiskBytes: 0,
  abandonedAfterMs: 3_600_000,
};

/** One answered request: "PUT /uploads/0x…/segments/3 204", and its Range header. */
export interface Answered {
  readonly line: string;
  readonly range?: string;
}

/** A real storage node on a free port, which remembers what it answered. */
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
      const answered = { line, range: request.headers.range };
      node.answered.push(answered);
      node.onAnswered(answered);
    });
    await app.listen({ host: "127.0.0.1", port: 0 });
    return node;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.app.server.address() as AddressInfo).port}`;
  }

  /** Segments taken in or handed out so far. */
  get segments(): Answered[] {
    return this.answered.filter(isSegment);
  }

  async stop(): Promise<void> {
    await this.app.close();
  }
}

export function isSegment({ line }: Answered): boolean {
  return /^PUT .*\/segments\/\d+ 204$|^GET \/blobs\/0x[0-9a-f]{64} 206$/.test(line);
}
