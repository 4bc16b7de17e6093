import { fetch } from "undici";
import { z } from "zod";
import { type ErrorCode, ProtocolError } from "../errors.ts";
import { printable } from "../printable.ts";
import { openDispatcher } from "../rpc/dispatcher.ts";

/** Where a provider's API is found; a Service fits. */
export interface Endpoint {
  readonly provider: string;
  /** As registered on chain: anything a provider cared to write. */
  readonly url: string;
}

export interface ApiRequest {
  /** GET where absent. */
  readonly method?: "PUT";
  /** Path and query below the provider's URL, with a slash at the front. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

/** For all providers: connections that nobody uses end by themselves. */
const dispatcher = openDispatcher();

/** How much of an answer is taken, and for how long. */
export interface Limits {
  readonly maxBytes: number;
  /** Milliseconds until the answer must be complete. */
  readonly timeout: number;
}

/** Milliseconds until an answer has to begin. */
const TIMEOUT = 15_000;
const JSON_LIMITS: Limits = { maxBytes: 64 * 1024, timeout: TIMEOUT };
const MAX_ERROR_BYTES = 16 * 1024;

/** What a provider's API says when it refuses. */
const ErrorBody = z.object({
  code: z.string().max(100),
  message: z.string().min(1).max(1_000),
  hint: z.string().max(1_000).default(""),
});

/** Codes a provider may speak with; it cannot claim that the caller's own checks failed. */
const PROVIDER_CODES: readonly string[] = [
  "usage",
  "declined",
  "not-found",
  "too-early",
] satisfies ErrorCode[];

/**
 * Opens a request.
 * @throws ProtocolError "network" when the provider does not answer, else what it answered.
 */
export async function openResponse(endpoint: Endpoint, request: ApiRequest): Promise<Response> {
  const url = apiUrl(endpoint, request.path);
  const waiting = new AbortController();
  const timer = setTimeout(() => waiting.abort(), TIMEOUT);
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
    throw unreachable(endpoint, cause);
  } finally {
    clearTimeout(timer);
  }
  if (!response.ok) throw await refusal(endpoint, response, request.signal);
  return response;
}

/**
 * Fetches a whole answer.
 * @throws ProtocolError "network" also when the answer breaks a limit.
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
    if (cause instanceof BodyTooLarge) {
      throw malformed(endpoint, `its answer to ${request.path} exceeds ${maxBytes} bytes`, cause);
    }
    throw unreachable(endpoint, cause);
  }
}

/** Fetches a JSON document that follows `schema`. */
export async function fetchJson<T>(
  endpoint: Endpoint,
  request: ApiRequest,
  schema: z.ZodType<T>,
): Promise<T> {
  const bytes = await fetchBytes(endpoint, request, JSON_LIMITS);
  return parseJson(endpoint, bytes, schema, request.path);
}

/** Parses bytes that a provider sent as JSON following `schema`. */
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
    throw malformed(endpoint, `its answer to ${path} is not what the API promises`, cause);
  }
}

/** The error of a provider who does not answer, or breaks off. */
function unreachable({ provider, url }: Endpoint, cause: unknown): ProtocolError {
  return new ProtocolError(
    "network",
    `Provider ${provider} does not answer at ${printable(url)}.`,
    "Try again later, or choose another provider.",
    { cause, next: { verb: "listServices" } },
  );
}

function malformed(endpoint: Endpoint, what: string, cause: unknown): ProtocolError {
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
    throw malformed(endpoint, "the registered address is not an http URL", undefined);
  }
  return base.href.replace(/\/+$/, "") + path;
}

async function refusal(
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

class BodyTooLarge extends Error {}

async function readBody(response: Response, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > maxBytes) throw new BodyTooLarge();
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function anySignal(own: AbortSignal, callers: AbortSignal | undefined): AbortSignal {
  return callers ? AbortSignal.any([own, callers]) : own;
}
