import {
  FetchRequest,
  type JsonRpcApiProviderOptions,
  type JsonRpcPayload,
  JsonRpcProvider,
  type JsonRpcResult,
} from "ethers";
import { ProtocolError } from "../errors.ts";
import { sleep } from "../platform/index.ts";
import { decodeViews, encodeViews, type View } from "./callMany.ts";
import type { NodeErrorKind } from "./nodeErrorKinds.ts";
import { type NodeError, readNodeError } from "./nodeErrors.ts";
import { EndpointError, type Payload, RpcEndpoint } from "./RpcEndpoint.ts";

/** Timeout for one answer of an endpoint while there are others to try. */
const TIMEOUT_WITH_OTHERS_MS = 4_000;
/** Timeout for the last endpoint. */
const TIMEOUT_MS = 20_000;

/** Total milliseconds that one request waits for temporary errors. */
const RETRIED_FOR_MS: Partial<Record<NodeErrorKind, number>> = {
  "rate-limited": 30_000,
  "header-not-found": 3_000,
  unavailable: 3_000,
};
/**
 * Milliseconds before the second attempt, doubled for each further one; a wait that the node asks for takes precedence.
 */
const FIRST_WAIT_MS = 500;

/** Errors of one node after which another may answer. */
const TRIES_OTHERS: ReadonlySet<NodeErrorKind> = new Set([
  "rate-limited",
  "unauthorized",
  "unavailable",
  "silent",
  "header-not-found",
  "pruned",
  "method-unsupported",
]);
/** Of these, errors that do not make the endpoint unhealthy: it is still tried first the next time. */
const KEEPS_HEALTHY: ReadonlySet<NodeErrorKind> = new Set([
  "header-not-found",
  "pruned",
  "method-unsupported",
]);

/** Sends a request, and returns the node's result. */
export type Ask = (method: string, params: unknown[]) => Promise<unknown>;

/** Calls of views in one request at most: code and results of a contract have a maximum size. */
const MAX_VIEWS = 40;

interface ViewCall {
  readonly view: View;
  /** Number or name of the block. */
  readonly block: string;
}

interface WaitingView {
  readonly view: View;
  readonly resolve: (result: string) => void;
  /** Sends it in a request of its own. */
  readonly alone: () => Promise<void>;
}

/** Result of one attempt. */
type Attempt =
  | { readonly results: JsonRpcResult[]; readonly refusal: NodeError | null }
  | { readonly error: unknown; readonly refusal: NodeError | null };

/**
 * One chain through several endpoints. A request goes to one of them, and to the next if the first does not answer in
 * time or does not answer like a node. After a failure, an endpoint is not tried first for a while. Answers are not
 * verified, and errors are passed on; a caller that finds an answer implausible calls `switchEndpoint`. Rate limits are
 * waited for. A transaction whose answer is lost is not sent again here: it may have arrived.
 */
export class FailoverProvider extends JsonRpcProvider {
  readonly #urls: readonly string[];
  readonly #endpoints: readonly RpcEndpoint[];
  readonly #closed = new AbortController();
  #current = 0;
  #check: ((ask: Ask) => Promise<void>) | undefined;
  #checked: Promise<void> | undefined;
  /** Calls of views that are sent together, by the block that they are about. */
  readonly #waiting = new Map<string, WaitingView[]>();

  /**
   * Opens no connection.
   * @param urls at least one; all serve the chain `chainId`
   */
  constructor(urls: readonly string[], chainId: number, options?: JsonRpcApiProviderOptions) {
    super(urls[0]!, chainId, { ...options, staticNetwork: true });
    this.#urls = urls;
    this.#endpoints = urls.map((url) => new RpcEndpoint(url));
  }

  /** Uses another endpoint from now on: the current one lags behind or gives implausible answers. */
  switchEndpoint(): void {
    this.#endpoints[this.#current]!.backOff();
    this.#current = this.#order()[0]!;
  }

  /**
   * Gives no answer to anybody before a check has passed, which starts with the first request, and is part of it if that
   * is a view.
   */
  guard(check: (ask: Ask) => Promise<void>): void {
    this.#check = check;
  }

  // biome-ignore lint/suspicious/noExplicitAny: the type that it overrides
  override async send(method: string, params: any[] | Record<string, any>): Promise<any> {
    const answer = this.#request(method, params);
    this.#checked ??= this.#runCheck();
    const [result] = await Promise.all([answer, this.#checked]);
    return result;
  }

  /** A check that failed is repeated with the next request: the endpoint may have been away. */
  async #runCheck(): Promise<void> {
    try {
      await this.#check?.((method, params) => this.#request(method, params));
    } catch (error) {
      this.#checked = undefined;
      throw error;
    }
  }

  /** Calls of views that are made at the same time become one request. */
  #request(method: string, params: unknown[] | Record<string, unknown>): Promise<unknown> {
    const view = method === "eth_call" ? viewOf(params) : null;
    return view ? this.#callWithOthers(view, params) : super.send(method, params);
  }

  #callWithOthers({ view, block }: ViewCall, params: unknown): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const alone = () => super.send("eth_call", params as unknown[]).then(resolve, reject);
    const waiting = this.#waiting.get(block);
    if (waiting) waiting.push({ view, resolve, alone });
    else {
      this.#waiting.set(block, [{ view, resolve, alone }]);
      void sleep(0).then(() => this.#callWaiting(block));
    }
    return promise;
  }

  /** A view whose result does not come with the others, because it fails or together they are too much, is called alone. */
  async #callWaiting(block: string): Promise<void> {
    const all = this.#waiting.get(block)!;
    this.#waiting.delete(block);
    for (let first = 0; first < all.length; first += MAX_VIEWS) {
      const views = all.slice(first, first + MAX_VIEWS);
      const results = views.length === 1 ? [null] : await this.#callMany(views, block);
      for (const [index, { resolve, alone }] of views.entries()) {
        const result = results[index] ?? null;
        if (result === null) void alone();
        else resolve(result);
      }
    }
  }

  async #callMany(views: readonly WaitingView[], block: string): Promise<(string | null)[]> {
    const data = encodeViews(views.map(({ view }) => view));
    const answer = await super.send("eth_call", [{ data }, block]).catch(() => null);
    return decodeViews(answer, views.length);
  }

  override _getConnection(): FetchRequest {
    return new FetchRequest(this.#urls[this.#current]!);
  }

  override destroy(): void {
    this.#closed.abort(new Error("the provider was closed"));
    for (const endpoint of this.#endpoints) endpoint.close();
    if (!this.destroyed) super.destroy();
  }

  override async _send(payload: JsonRpcPayload | JsonRpcPayload[]): Promise<JsonRpcResult[]> {
    for (let waited = 0, wait = FIRST_WAIT_MS; ; wait *= 2) {
      const attempt = await this.#askAll(payload);
      const { refusal } = attempt;
      const pause = refusal?.retryAfterMs ?? wait;
      const longest = (refusal && RETRIED_FOR_MS[refusal.kind]) ?? 0;
      if (waited + pause > longest || mayHaveArrived(payload, attempt)) {
        if ("error" in attempt) throw attempt.error;
        return attempt.results;
      }
      await sleep(pause, this.#closed.signal);
      waited += pause;
    }
  }

  /** Tries one endpoint after the other until one answers. @returns the last result */
  async #askAll(payload: Payload): Promise<Attempt> {
    const order = this.#order();
    let haveFailed = false;
    for (const [position, index] of order.entries()) {
      const isLast = position === order.length - 1;
      const attempt = await this.#ask(index, payload, order.length > 1 && !isLast);
      if (isAnswer(attempt)) {
        if (haveFailed) this.#prefer(index);
        return attempt;
      }
      if (!keepsHealthy(attempt)) {
        haveFailed = true;
        this.#leave(index, attempt.refusal?.retryAfterMs);
      }
      if (isLast || mayHaveArrived(payload, attempt) || this.#closed.signal.aborted) return attempt;
    }
    throw new Error("There is no RPC endpoint.");
  }

  async #ask(index: number, payload: Payload, hasOthers: boolean): Promise<Attempt> {
    const timeout = hasOthers ? TIMEOUT_WITH_OTHERS_MS : TIMEOUT_MS;
    try {
      const results = await this.#endpoints[index]!.send(payload, timeout, this.#closed.signal);
      const [result] = results;
      const isRefusal = !Array.isArray(payload) && result && "error" in result;
      return { results, refusal: isRefusal ? readNodeError({ payload, ...result }) : null };
    } catch (error) {
      if (!(error instanceof EndpointError)) throw error;
      return { error, refusal: readNodeError(error) };
    }
  }

  #prefer(index: number): void {
    this.#endpoints[index]!.endBackoff();
    this.#current = index;
  }

  /** If several requests fail together, only one switches. */
  #leave(index: number, atLeast: number | undefined): void {
    const endpoint = this.#endpoints[index]!;
    if (endpoint.backoffUntil < performance.now()) endpoint.backOff(atLeast);
    if (index === this.#current) this.#current = this.#order()[0]!;
  }

  /** The current endpoint, then the others in order, and last those that are backing off, the longest backoff last. */
  #order(): number[] {
    const now = performance.now();
    const backoff = (index: number) => Math.max(0, this.#endpoints[index]!.backoffUntil - now);
    const count = this.#endpoints.length;
    const indices = Array.from({ length: count }, (_, step) => (this.#current + step) % count);
    return indices.sort((a, b) => backoff(a) - backoff(b));
  }
}

/**
 * Parses one RPC URL, or several, comma-separated.
 * @throws ProtocolError "usage" for anything but http URLs
 */
export function readRpcUrls(text: string): string[] {
  const urls = text.split(",").map((url) => url.trim());
  for (const url of urls) {
    const { protocol } = URL.parse(url) ?? {};
    if (protocol === "http:" || protocol === "https:") continue;
    const isSocket = protocol === "ws:" || protocol === "wss:";
    throw new ProtocolError(
      "usage",
      isSocket
        ? "The RPC endpoint is a websocket URL, but requests are sent over HTTP."
        : "The RPC endpoint is not a URL that starts with http:// or https://, or several, comma-separated.",
      isSocket
        ? "Use the endpoint's https:// URL, which most hosts also offer."
        : "Give a URL, for example http://127.0.0.1:8545.",
      { next: { setting: "rpcUrl" } },
    );
  }
  return urls;
}

/** Null for a call with anything but an address and data, such as a sender. */
function viewOf(params: unknown): ViewCall | null {
  const [call, block] = params as [(Partial<View> & object)?, unknown?];
  const { to, data } = call ?? {};
  const isPlain = to !== undefined && data !== undefined && Object.keys(call!).length === 2;
  return isPlain && typeof block === "string" ? { view: { to, data }, block } : null;
}

/** Whether the result is final, so that no other endpoint is tried. */
function isAnswer({ refusal, ...outcome }: Attempt): boolean {
  return "results" in outcome && !(refusal && TRIES_OTHERS.has(refusal.kind));
}

function keepsHealthy({ refusal }: Attempt): boolean {
  return refusal !== null && KEEPS_HEALTHY.has(refusal.kind);
}

/** Whether a transaction may have been sent although its answer was lost. */
function mayHaveArrived(payload: Payload, attempt: Attempt): boolean {
  return "error" in attempt && isTransaction(payload);
}

function isTransaction(payload: Payload): boolean {
  return [payload].flat().some(({ method }) => method === "eth_sendRawTransaction");
}
