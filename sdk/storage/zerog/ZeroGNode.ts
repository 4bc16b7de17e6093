import type { Dispatcher } from "undici";
import { z } from "zod";
import { sleep } from "../../platform/index.ts";
import { SMALL_ANSWER_BYTES } from "../transfer/StorageConnection.ts";

/** Milliseconds before the second and the third attempt. */
const RETRY_WAITS = [200, 1000];

/** Error of a busy node, after which a call is retried. */
const BUSY = "too many data writing";

/** The segments that a node stores: those whose number in the log is `shardId` modulo `numShard`. */
export interface Shard {
  readonly shardId: number;
  readonly numShard: number;
}

/** A node's info about a file. */
export const FileInfo = z.object({
  tx: z.object({
    seq: z.int().min(0),
    size: z.int().min(1),
    startEntryIndex: z.int().min(0),
  }),
  finalized: z.boolean(),
});
export type FileInfo = z.infer<typeof FileInfo>;

const Answer = z.object({
  result: z.unknown().optional(),
  error: z.object({ message: z.string(), data: z.unknown().optional() }).nullish(),
});

/** A failed call. `reason` is the node's message if it refused, null if it did not answer. */
export class NodeError extends Error {
  override readonly name = "NodeError";
  readonly reason: string | null;

  constructor(url: string, reason: string | null, options?: { cause?: unknown }) {
    super(`${url} ${reason === null ? "did not answer correctly" : `refused: ${reason}`}`, options);
    this.reason = reason;
  }
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** A longer answer is rejected, so that a node cannot exhaust memory. */
  readonly maxBytes?: number;
}

/** One of 0G's servers: a storage node, or an indexer. */
export class ZeroGNode {
  readonly url: string;
  readonly #dispatcher: Dispatcher;
  readonly #timeout: number;

  /** @param timeout milliseconds that one call may take, including reading the answer */
  constructor(url: string, dispatcher: Dispatcher, timeout: number) {
    this.url = url;
    this.#dispatcher = dispatcher;
    this.#timeout = timeout;
  }

  /**
   * Calls a method, and retries after RETRY_WAITS if there is no answer or the node is busy.
   * @throws NodeError; the signal's reason if aborted
   */
  async call<T>(
    method: string,
    params: readonly unknown[],
    schema: z.ZodType<T>,
    options: CallOptions = {},
  ): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.callOnce(method, params, schema, options);
      } catch (error) {
        options.signal?.throwIfAborted();
        const delay = RETRY_WAITS[attempt];
        const { reason } = error as NodeError;
        if (delay === undefined || (reason !== null && !reason?.includes(BUSY))) throw error;
        await sleep(delay, options.signal);
      }
    }
  }

  /** Calls a method once, for callers that can ask another node instead. */
  async callOnce<T>(
    method: string,
    params: readonly unknown[],
    schema: z.ZodType<T>,
    { signal, maxBytes = SMALL_ANSWER_BYTES }: CallOptions = {},
  ): Promise<T> {
    let answer: z.infer<typeof Answer>;
    try {
      answer = Answer.parse(JSON.parse(await this.#post({ method, params }, maxBytes, signal)));
    } catch (cause) {
      signal?.throwIfAborted();
      throw new NodeError(this.url, null, { cause });
    }
    if (answer.error) throw new NodeError(this.url, wordsOf(answer.error));
    const result = schema.safeParse(answer.result);
    if (result.success) return result.data;
    throw new NodeError(this.url, null, { cause: result.error });
  }

  async #post(call: object, maxBytes: number, signal?: AbortSignal): Promise<string> {
    const deadline = AbortSignal.timeout(this.#timeout);
    const { origin, pathname } = new URL(this.url);
    const { statusCode, body } = await this.#dispatcher.request({
      origin,
      path: pathname,
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, ...call }),
      signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
    });
    if (statusCode !== 200) throw new Error(`status ${statusCode}`);
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of body) {
      length += chunk.length;
      if (length > maxBytes) throw new Error(`more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString();
  }
}

function wordsOf({ message, data }: { message: string; data?: unknown }): string {
  return typeof data === "string" ? `${message}; data: ${data}` : message;
}
