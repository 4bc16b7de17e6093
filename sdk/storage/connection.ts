import { setTimeout as wait } from "node:timers/promises";
import { Agent, type Dispatcher } from "undici";
import { ProtocolError } from "../errors.ts";
import { TRANSFERS_AT_ONCE } from "./inParallel.ts";

/** Milliseconds before the second and the third attempt. */
const RETRY_WAITS = [200, 1000];

/** Milliseconds without a byte after which an answer counts as lost. */
const SILENCE_LIMIT = 30_000;

/** Bytes of an answer that carries no content: an error, or what an upload still lacks. */
export const SMALL_ANSWER_BYTES = 1024 * 1024;

export interface StorageRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST";
  /** Relative to the storage's address, without a leading slash. */
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array;
  /** A longer answer is refused, so that a server cannot fill the memory. */
  readonly maxBytes: number;
  /** Milliseconds to wait for the answer to begin, where the server has more to do than answer. */
  readonly patience?: number;
}

export interface StorageAnswer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData["headers"];
  readonly body: Buffer;
}

/** Connections to one storage server, for the time of one transfer. All requests are idempotent. */
export class StorageConnection {
  readonly #base: URL;
  readonly #agent = new Agent({
    connections: TRANSFERS_AT_ONCE,
    connect: { timeout: 10_000 },
    bodyTimeout: SILENCE_LIMIT,
  });

  /** @throws ProtocolError "usage" when the address is not one. */
  constructor(storageUrl: string) {
    const url = URL.parse(storageUrl.endsWith("/") ? storageUrl : `${storageUrl}/`);
    if (url?.protocol !== "http:" && url?.protocol !== "https:") {
      throw new ProtocolError(
        "usage",
        `"${storageUrl}" is not the address of a storage server.`,
        "Give a URL that starts with http:// or https://.",
      );
    }
    this.#base = url;
  }

  /**
   * Sends a request, again after RETRY_WAITS when the connection fails.
   * @returns the answer, whatever its status.
   * @throws ProtocolError "network" when no attempt got an answer, "integrity" when it is longer
   * than asked for; the signal's reason when aborted.
   */
  async request(request: StorageRequest, signal?: AbortSignal): Promise<StorageAnswer> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#attempt(request, signal);
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof ProtocolError) throw error;
        const delay = RETRY_WAITS[attempt];
        if (delay === undefined) throw this.#unreachable(error);
        await wait(delay, undefined, { signal });
      }
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #attempt(request: StorageRequest, signal?: AbortSignal): Promise<StorageAnswer> {
    const answer = await this.#agent.request({
      origin: this.#base.origin,
      path: this.#base.pathname + request.path,
      method: request.method,
      headers: request.headers,
      body: request.body,
      headersTimeout: request.patience ?? SILENCE_LIMIT,
      signal,
    });
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of answer.body) {
      length += chunk.length;
      // Leaving the loop early destroys the body and its connection.
      if (length > request.maxBytes) throw this.#tooLong(request);
      chunks.push(chunk);
    }
    return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) };
  }

  #unreachable(cause: unknown): ProtocolError {
    const reason = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message;
    return new ProtocolError(
      "network",
      `The storage at ${this.#base.origin} cannot be reached (${reason}).`,
      "Check its address and your connection, then run the same command again: a transfer goes on where it stopped.",
      { cause },
    );
  }

  #tooLong(request: StorageRequest): ProtocolError {
    return new ProtocolError(
      "integrity",
      `The storage at ${this.#base.origin} answered ${request.path} with more than the ${request.maxBytes} bytes asked for.`,
      "Use another storage server.",
    );
  }
}
