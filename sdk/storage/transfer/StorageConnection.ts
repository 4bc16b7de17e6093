import { once } from "node:events";
import {
  type ClientRequest,
  Agent as HttpAgent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as sendHttp,
} from "node:http";
import { Agent as HttpsAgent, request as sendHttps } from "node:https";
import { setTimeout as wait } from "node:timers/promises";
import { urlToHttpOptions } from "node:url";
import { ProtocolError } from "../../errors.ts";
import type { Root } from "../../ids.ts";
import { proxyFor } from "../../rpc/proxy.ts";
import { TRANSFERS_AT_ONCE } from "../files/inParallel.ts";
import { RangeConnection } from "./RangeConnection.ts";

/** Milliseconds before the second and the third attempt. */
export const RETRY_WAITS = [200, 1000];

/** Milliseconds without a byte after which an answer counts as lost. */
const IDLE_TIMEOUT_MS = 30_000;

/** Bytes of an answer that carries no content: an error, or what an upload still lacks. */
export const SMALL_ANSWER_BYTES = 1024 * 1024;

export interface StorageRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST";
  /** Relative to the storage's address, without a leading slash. */
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
  /** A longer answer is refused, so that a server cannot fill the memory. */
  readonly maxBytes: number;
  /** Milliseconds to wait for the answer to begin, where the server has more to do than answer. */
  readonly timeout?: number;
}

export interface StorageAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** The addresses in a text that names one storage server, or several with commas between them. */
export function storageUrls(text: string): string[] {
  return text.split(",").map((url) => url.trim());
}

/** Connections to one storage server, for the time of one transfer. All requests are idempotent. */
export class StorageConnection {
  readonly #base: URL;
  readonly #agent: HttpAgent;
  readonly #send: typeof sendHttp;

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
    const isSecure = url.protocol === "https:";
    const proxy = proxyFor(url)?.href;
    const options = {
      keepAlive: true,
      maxSockets: TRANSFERS_AT_ONCE,
      ...(proxy && { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } }),
    };
    this.#agent = isSecure ? new HttpsAgent(options) : new HttpAgent(options);
    this.#send = isSecure ? sendHttps : sendHttp;
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
        return await this.attempt(request, signal);
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof ProtocolError) throw error;
        const delay = RETRY_WAITS[attempt];
        if (delay === undefined) throw this.unreachable(error);
        await wait(delay, undefined, { signal });
      }
    }
  }

  get origin(): string {
    return this.#base.origin;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Sends a request once. @throws what the connection throws, or ProtocolError "integrity" as `request` does. */
  async attempt(request: StorageRequest, signal?: AbortSignal): Promise<StorageAnswer> {
    const { method, path, headers, body, maxBytes, timeout = IDLE_TIMEOUT_MS } = request;
    const outgoing = this.#send({
      ...urlToHttpOptions(this.#base),
      path: this.#base.pathname + path,
      method,
      headers: body instanceof Uint8Array ? { ...headers, "content-length": body.length } : headers,
      agent: this.#agent,
      timeout,
      signal,
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error("no answer")));
    const answered = once(outgoing, "response") as Promise<[IncomingMessage]>;
    const [[answer]] = await Promise.all([answered, sendBody(outgoing, body, answered)]);
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of answer) {
      length += chunk.length;
      // Leaving the loop early destroys the answer and its connection.
      if (length > maxBytes) throw this.#tooLong(request);
      chunks.push(chunk);
    }
    // One that came before all was sent: what is left to send must not go before the next request.
    if (!outgoing.writableFinished) outgoing.destroy();
    return { status: answer.statusCode!, headers: answer.headers, body: Buffer.concat(chunks) };
  }

  /** A connection that fetches ranges of the content with this root. */
  ranges(root: Root): RangeConnection {
    return new RangeConnection(new URL(`blobs/${root}`, this.#base));
  }

  /** The error for a connection that failed. */
  unreachable(cause: unknown): ProtocolError {
    const reason = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message;
    return new ProtocolError(
      "network",
      `The storage at ${this.origin} cannot be reached (${reason}).`,
      "Try again, which continues a transfer where it stopped, or check the address of the storage.",
      { cause, next: { setting: "storageUrl" } },
    );
  }

  #tooLong({ path, maxBytes }: StorageRequest): ProtocolError {
    return new ProtocolError(
      "integrity",
      `The storage at ${this.origin} answered ${path} with more than the ${maxBytes} bytes asked for.`,
      "Use another storage server.",
      { next: { setting: "storageUrl" } },
    );
  }
}

/** Sends a body, as fast as it is taken in, and stops when the answer is there already. */
async function sendBody(
  outgoing: ClientRequest,
  body: StorageRequest["body"],
  answered: Promise<unknown>,
): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) {
    outgoing.end(body);
    return;
  }
  let hasAnswer = false;
  const answeredOrFailed = answered.then(
    () => {
      hasAnswer = true;
    },
    () => {
      hasAnswer = true;
    },
  );
  try {
    for await (const chunk of body) {
      if (hasAnswer) return;
      // The chunk has left the process when it has drained: its memory may be used again.
      if (!outgoing.write(chunk)) await Promise.race([once(outgoing, "drain"), answeredOrFailed]);
    }
    outgoing.end();
  } catch (error) {
    outgoing.destroy(error as Error);
    throw error;
  }
}
