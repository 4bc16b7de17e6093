import { once } from "node:events";
import {
  type ClientRequest,
  Agent as HttpAgent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as sendHttp,
} from "node:http";
import { Agent as HttpsAgent, request as sendHttps } from "node:https";
import { urlToHttpOptions } from "node:url";
import { ProtocolError } from "../../errors.ts";
import type { Root } from "../../ids.ts";
import { sleep } from "../../platform/index.ts";
import { proxyFor } from "../../rpc/proxy.ts";
import { TRANSFERS_AT_ONCE } from "../files/inParallel.ts";
import { RangeConnection } from "./RangeConnection.ts";

/** Milliseconds before the second and the third attempt. */
export const RETRY_WAITS = [200, 1000];

/** Milliseconds without data after which an answer counts as lost. */
const IDLE_TIMEOUT_MS = 30_000;

/** Maximum size of an answer without content: an error, or the missing segments of an upload. */
export const SMALL_ANSWER_BYTES = 1024 * 1024;

export interface StorageRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST";
  /** Relative to the storage's URL, without a leading slash. */
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
  /** A longer answer is refused, so that a server cannot exhaust memory. */
  readonly maxBytes: number;
  /** Milliseconds to wait for the answer to start, if the server has work to do first. */
  readonly timeout?: number;
}

export interface StorageAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Parses one URL of a storage server, or several, comma-separated. */
export function storageUrls(text: string): string[] {
  return text.split(",").map((url) => url.trim());
}

/** Connections to one storage server, for the time of one transfer. All requests are idempotent. */
export class StorageConnection {
  readonly #base: URL;
  readonly #agent: HttpAgent;
  readonly #send: typeof sendHttp;

  /** @throws ProtocolError "usage" if the URL is invalid. */
  constructor(storageUrl: string) {
    const url = URL.parse(storageUrl.endsWith("/") ? storageUrl : `${storageUrl}/`);
    if (url?.protocol !== "http:" && url?.protocol !== "https:") {
      throw new ProtocolError(
        "usage",
        `"${storageUrl}" is not the URL of a storage server.`,
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
   * Sends a request, and retries after RETRY_WAITS if the connection fails.
   * @returns the answer, whatever its status.
   * @throws ProtocolError "network" if no attempt got an answer, "integrity" if the answer is too long; the signal's
   * reason if aborted.
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
        await sleep(delay, signal);
      }
    }
  }

  get origin(): string {
    return this.#base.origin;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Sends a request once. @throws the connection's error, or ProtocolError "integrity" like `request`. */
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
    // The answer came before everything was sent: the rest must not be sent before the next request.
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
      "Try again, which resumes a transfer, or check the URL of the storage.",
      { cause, next: { setting: "storageUrl" } },
    );
  }

  #tooLong({ path, maxBytes }: StorageRequest): ProtocolError {
    return new ProtocolError(
      "integrity",
      `The storage at ${this.origin} answered ${path} with more than the ${maxBytes} bytes allowed.`,
      "Use another storage server.",
      { next: { setting: "storageUrl" } },
    );
  }
}

/** Sends a body with backpressure, and stops if the answer arrives early. */
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
      // Once drained, the chunk has left the process, and its memory can be reused.
      if (!outgoing.write(chunk)) await Promise.race([once(outgoing, "drain"), answeredOrFailed]);
    }
    outgoing.end();
  } catch (error) {
    outgoing.destroy(error as Error);
    throw error;
  }
}
