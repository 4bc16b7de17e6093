import type { JsonRpcPayload, JsonRpcResult } from "ethers";
import type { Dispatcher } from "undici";
import { openDispatcher } from "./dispatcher.ts";

/** A longer answer is rejected, so that a node cannot exhaust memory. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** Milliseconds within which a connection must be established. */
const CONNECT_TIMEOUT_MS = 5_000;
/** Milliseconds for which an endpoint is not tried first after a failure, doubled with each failure in a row. */
const FIRST_BACKOFF_MS = 5_000;
const MAX_BACKOFF_MS = 60_000;

export type Payload = JsonRpcPayload | JsonRpcPayload[];

/** A request without a JSON-RPC answer; `readNodeError` reads its fields. */
export class EndpointError extends Error {
  override readonly name = "EndpointError";
  /** Scheme and host only: paths and user names of RPC endpoints often hold keys. */
  readonly origin: string;
  readonly code: string;
  readonly payload: Payload;
  readonly responseStatus: number | undefined;
  readonly responseBody: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    origin: string,
    payload: Payload,
    { code, cause, answer }: { code: string; cause?: unknown; answer?: HttpAnswer },
  ) {
    super(`${origin}: ${answer ? `HTTP ${answer.status}, ` : ""}${code}`, { cause });
    this.origin = origin;
    this.code = code;
    this.payload = payload;
    this.responseStatus = answer?.status;
    this.responseBody = answer?.body;
    this.headers = answer?.headers ?? {};
  }
}

interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** One JSON-RPC endpoint of a chain, with its own connections. */
export class RpcEndpoint {
  readonly origin: string;
  readonly #url: URL;
  readonly #dispatcher: Dispatcher;
  #failures = 0;
  #backoffUntil = 0;

  constructor(url: string) {
    this.#url = new URL(url);
    this.origin = this.#url.origin;
    this.#dispatcher = openDispatcher({ connect: { timeout: CONNECT_TIMEOUT_MS } });
  }

  /** When it may be tried first again, on the clock of `performance.now`. */
  get backoffUntil(): number {
    return this.#backoffUntil;
  }

  /** Starts or extends the backoff. @param atLeast milliseconds that the endpoint itself asks for */
  backOff(atLeast = 0): void {
    const delay = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** this.#failures);
    this.#failures++;
    this.#backoffUntil = performance.now() + Math.max(delay, atLeast);
  }

  /** Ends the backoff: the endpoint answered when others did not. */
  endBackoff(): void {
    this.#backoffUntil = 0;
  }

  /**
   * Sends a request once.
   * @param timeout milliseconds for the whole request, including reading the answer
   * @returns the node's answers, including errors, whatever the HTTP status
   * @throws EndpointError if there is none
   */
  async send(payload: Payload, timeout: number, signal: AbortSignal): Promise<JsonRpcResult[]> {
    const answer = await this.#exchange(payload, timeout, signal);
    const results = readResults(answer, payload);
    if (results === null)
      throw new EndpointError(this.origin, payload, { code: "ANSWER_NOT_JSON", answer });
    this.#failures = 0;
    return results;
  }

  /** Closes all connections and aborts their requests. */
  close(): void {
    void this.#dispatcher.destroy();
  }

  async #exchange(payload: Payload, timeout: number, signal: AbortSignal): Promise<HttpAnswer> {
    const { origin, pathname, search, username, password } = this.#url;
    const deadline = AbortSignal.timeout(timeout);
    const credentials = Buffer.from(
      `${decodeURIComponent(username)}:${decodeURIComponent(password)}`,
    ).toString("base64");
    try {
      const { statusCode, headers, body } = await this.#dispatcher.request({
        origin,
        path: pathname + search,
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(username && { authorization: `Basic ${credentials}` }),
        },
        body: JSON.stringify(payload),
        signal: AbortSignal.any([deadline, signal]),
        headersTimeout: 0, // the timeout covers the whole request
        bodyTimeout: 0,
      });
      const after = headers["retry-after"];
      return {
        status: statusCode,
        headers: typeof after === "string" ? { "retry-after": after } : {},
        body: await readText(body),
      };
    } catch (cause) {
      const code = signal.aborted
        ? "UND_ERR_ABORTED"
        : deadline.aborted
          ? "TIMEOUT"
          : codeOf(cause);
      throw new EndpointError(this.origin, payload, { code, cause });
    }
  }
}

const codeOf = (error: unknown): string => String((error as NodeJS.ErrnoException).code ?? "");

async function readText(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    // Leaving the loop destroys the connection.
    if (length > MAX_ANSWER_BYTES)
      throw Object.assign(new Error("the answer is too long"), { code: "ANSWER_TOO_LONG" });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** The JSON-RPC answers in a body; null if it holds none. */
function readResults(answer: HttpAnswer, payload: Payload): JsonRpcResult[] | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(answer.body);
  } catch {
    return null;
  }
  if (Array.isArray(payload)) {
    const isBatch = Array.isArray(parsed) && parsed.every(isResult);
    return isBatch ? (parsed as JsonRpcResult[]) : null;
  }
  const [result] = [parsed].flat();
  if (!isResult(result)) return null;
  const { error } = result as { error?: unknown };
  if (error === undefined || error === null) return [result];
  // A server that refuses before reading the request does not know its id. Its status and headers are part of the
  // error.
  const { status, headers } = answer;
  const how = { headers, ...(status >= 300 && { status }) };
  const words = typeof error === "string" ? { message: error } : (error as object);
  return [{ id: payload.id, error: { ...words, ...how } } as unknown as JsonRpcResult];
}

function isResult(value: unknown): value is JsonRpcResult {
  return typeof value === "object" && value !== null && ("result" in value || "error" in value);
}
