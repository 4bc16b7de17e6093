import { fetch } from "undici";
import { z } from "zod";
import { type ErrorCode, ProtocolError } from "../errors.ts";
import { printable } from "../printable.ts";
import { openDispatcher } from "../rpc/dispatcher.ts";

/** A provider and the URL of its API; a Service is one. */
export interface Endpoint {
  readonly provider: string;
  /** As registered on chain: arbitrary text chosen by the provider. */
  readonly url: string;
}

export interface ApiRequest {
  /** Default: GET. */
  readonly method?: "PUT";
  /** Path and query below the provider's URL, with a leading slash. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

/** Shared by all providers: idle connections close by themselves. */
const dispatcher = openDispatcher();

/** Limits on the size and the duration of an answer. */
export interface Limits {
  readonly maxBytes: number;
  /** Milliseconds within which the answer must be complete. */
  readonly timeout: number;
}

/** Milliseconds within which an answer must start. */
const TIMEOUT_MS = 15_000;
const JSON_LIMITS: Limits = { maxBytes: 64 * 1024, timeout: TIMEOUT_MS };
const MAX_ERROR_BYTES = 16 * 1024;

/** Body of an error answer of a provider's API. */
const ErrorBody = z.object({
  code: z.string().max(100),
  message: z.string().min(1).max(1_000),
  hint: z.string().max(1_000).default(""),
});

/** Codes that a provider may return; the others are for the caller's own checks. */
const PROVIDER_CODES: readonly string[] = [
  "usage",
  "declined",
  "not-found",
  "too-early",
] satisfies ErrorCode[];

/**
 * Opens a request.
 * @throws ProtocolError "network" if the provider does not answer, otherwise the error that it returned.
 */
export async function openResponse(endpoint: Endpoint, request: ApiRequest): Promise<Response> {
  const url = apiUrl(endpoint, request.path);
  const waiting = new AbortController();
  const timer = setTimeout(() => waiting.abort(), TIMEOUT_MS);
  let response: Response;
  try {
    response = (await fetch(url, {
      dispatcher,
      method: request.method ?? "GET",
      headers: request.headers ?? {},
      ...(request.body && { body: Buffer.from(request.body) }),
      redirect: "error", // a redirect could send the user's signature elsewhere
      signal: anySignal(waiting.signal, request.signal),
    })) as unknown as Response;
  } catch (cause) {
    request.signal?.throwIfAborted();
    throw unreachableError(endpoint, cause);
  } finally {
    clearTimeout(timer);
  }
  if (!response.ok) throw await providerError(endpoint, response, request.signal);
  return response;
}

/**
 * Fetches a complete answer.
 * @throws ProtocolError "network" also if the answer exceeds a limit.
 */
export async function fetchBytes(
  endpoint: Endpoint,
  request: ApiRequest,
  { maxBytes, timeout }: Limits,
): Promise<Uint8Array> {
  const signal = anySignal(AbortSignal.timeout(timeout), request.signal);
  try {
    return await readBody(await openResponse(endpoint, { ...request, signal }), maxBytes);
  } catch (cause) {
    request.signal?.throwIfAborted();
    if (cause instanceof ProtocolError) throw cause;
    if (cause instanceof BodyTooLargeError) {
      throw malformedAnswerError(
        endpoint,
        `its answer to ${request.path} exceeds ${maxBytes} bytes`,
        cause,
      );
    }
    throw unreachableError(endpoint, cause);
  }
}

/** Fetches a JSON document and validates it against `schema`. */
export async function fetchJson<T>(
  endpoint: Endpoint,
  request: ApiRequest,
  schema: z.ZodType<T>,
): Promise<T> {
  const bytes = await fetchBytes(endpoint, request, JSON_LIMITS);
  return parseJson(endpoint, bytes, schema, request.path);
}

/** Parses bytes that a provider sent as JSON and validates them against `schema`. */
export function parseJson<T>(
  endpoint: Endpoint,
  bytes: Uint8Array,
  schema: z.ZodType<T>,
  path: string,
  reviver?: (key: string, value: unknown) => unknown,
): T {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return schema.parse(JSON.parse(text, reviver));
  } catch (cause) {
    throw malformedAnswerError(endpoint, `its answer to ${path} does not follow the API`, cause);
  }
}

/** The error for a provider that does not answer, or whose connection breaks. */
function unreachableError({ provider, url }: Endpoint, cause: unknown): ProtocolError {
  return new ProtocolError(
    "network",
    `Provider ${provider} does not answer at ${printable(url)}.`,
    "Try again later, or choose another provider.",
    { cause, next: { verb: "listServices" } },
  );
}

function malformedAnswerError(endpoint: Endpoint, what: string, cause: unknown): ProtocolError {
  return new ProtocolError(
    "network",
    `Provider ${endpoint.provider} at ${printable(endpoint.url)} answers wrongly: ${what}.`,
    "Choose another provider.",
    { cause, next: { verb: "listServices" } },
  );
}

function apiUrl(endpoint: Endpoint, path: string): string {
  const base = URL.canParse(endpoint.url) ? new URL(endpoint.url) : undefined;
  if (!base || (base.protocol !== "http:" && base.protocol !== "https:")) {
    throw malformedAnswerError(endpoint, "the registered address is not an http URL", undefined);
  }
  return base.href.replace(/\/+$/, "") + path;
}

async function providerError(
  endpoint: Endpoint,
  response: Response,
  signal: AbortSignal | undefined,
): Promise<ProtocolError> {
  const fallback = { code: "", message: `HTTP status ${response.status}`, hint: "" };
  const body = await readBody(response, MAX_ERROR_BYTES).catch(() => new Uint8Array());
  signal?.throwIfAborted();
  const parsed = ErrorBody.safeParse(tryJson(body));
  const { code, message, hint } = parsed.success ? parsed.data : fallback;
  const theirs = printable(hint);
  return new ProtocolError(
    codeOf(code, response.status),
    `Provider ${endpoint.provider} says: ${printable(message)}`,
    theirs || "Try again later, or choose another provider.",
    theirs ? {} : { next: { verb: "listServices" } },
  );
}

function codeOf(code: string, status: number): ErrorCode {
  if (PROVIDER_CODES.includes(code)) return code as ErrorCode;
  if (status === 404) return "not-found";
  return status === 429 || status >= 500 ? "network" : "declined";
}

function tryJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

class BodyTooLargeError extends Error {}

async function readBody(response: Response, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > maxBytes) throw new BodyTooLargeError();
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function anySignal(own: AbortSignal, callers: AbortSignal | undefined): AbortSignal {
  return callers ? AbortSignal.any([own, callers]) : own;
}
