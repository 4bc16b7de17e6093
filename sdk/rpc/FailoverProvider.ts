import { setTimeout as sleep } from "node:timers/promises";
import {
  FetchRequest,
  type JsonRpcApiProviderOptions,
  type JsonRpcPayload,
  JsonRpcProvider,
  type JsonRpcResult,
} from "ethers";
import { ProtocolError } from "../errors.ts";
import type { NodeErrorKind } from "./nodeErrorKinds.ts";
import { type NodeError, readNodeError } from "./nodeErrors.ts";
import { EndpointError, type Payload, RpcEndpoint } from "./RpcEndpoint.ts";

/** Milliseconds that an endpoint may take for one answer while there are others to ask. */
const TIMEOUT_WITH_OTHERS_MS = 4_000;
/** Milliseconds that the last one may take. */
const TIMEOUT_MS = 20_000;

/** Milliseconds to wait in all, in one request, for what passes by itself. */
const RETRIED_FOR_MS: Partial<Record<NodeErrorKind, number>> = {
  "rate-limited": 30_000,
  "header-not-found": 3_000,
  unavailable: 3_000,
};
/** Milliseconds before the second attempt, doubled for each further one; what the node says counts more. */
const FIRST_WAIT_MS = 500;

/** What one node refuses and another may answer. */
const ASKS_OTHERS: ReadonlySet<NodeErrorKind> = new Set([
  "rate-limited",
  "unauthorized",
  "unavailable",
  "silent",
  "header-not-found",
  "pruned",
  "method-unsupported",
]);
/** Of these, those that are no fault of the endpoint as a whole: it is still asked first the next time. */
const LEAVES_HEALTHY: ReadonlySet<NodeErrorKind> = new Set([
  "header-not-found",
  "pruned",
  "method-unsupported",
]);

/** What became of one attempt. */
type Attempt =
  | { readonly results: JsonRpcResult[]; readonly refusal: NodeError | null }
  | { readonly error: unknown; readonly refusal: NodeError | null };

/**
 * One chain through several endpoints. It asks one of them, and the next if that one does not answer in time, or not
 * as a node does. One that failed is not asked first again for a while. What a node answers is taken as it is, errors
 * too: whoever sees that it cannot be right calls `switchEndpoint`. Limits on the rate of requests are waited for. A
 * transaction whose answer is lost is not sent again here: it may have arrived.
 */
export class FailoverProvider extends JsonRpcProvider {
  readonly #urls: readonly string[];
  readonly #endpoints: readonly RpcEndpoint[];
  readonly #closed = new AbortController();
  #current = 0;

  /**
   * Connects nothing yet.
   * @param urls at least one; all of them serve the chain `chainId`
   */
  constructor(urls: readonly string[], chainId: number, options?: JsonRpcApiProviderOptions) {
    super(urls[0]!, chainId, { ...options, staticNetwork: true });
    this.#urls = urls;
    this.#endpoints = urls.map((url) => new RpcEndpoint(url));
  }

  /** Asks another endpoint from now on: the one that is asked now lags behind, or answers what cannot be. */
  switchEndpoint(): void {
    this.#endpoints[this.#current]!.rest();
    this.#current = this.#order()[0]!;
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
      await sleep(pause, undefined, { signal: this.#closed.signal });
      waited += pause;
    }
  }

  /** Asks one endpoint after the other until one has an answer. @returns what the last one gave */
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
      if (!leavesHealthy(attempt)) {
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
    this.#endpoints[index]!.wake();
    this.#current = index;
  }

  /** Of several requests that fail together, one switches. */
  #leave(index: number, atLeast: number | undefined): void {
    const endpoint = this.#endpoints[index]!;
    if (endpoint.restsUntil < performance.now()) endpoint.rest(atLeast);
    if (index === this.#current) this.#current = this.#order()[0]!;
  }

  /** The one that is asked now, the others in their order, and at the end those that rest, the longest rest last. */
  #order(): number[] {
    const now = performance.now();
    const rest = (index: number) => Math.max(0, this.#endpoints[index]!.restsUntil - now);
    const count = this.#endpoints.length;
    const indices = Array.from({ length: count }, (_, step) => (this.#current + step) % count);
    return indices.sort((a, b) => rest(a) - rest(b));
  }
}

/**
 * The addresses in a text that names one endpoint, or several with commas between them.
 * @throws ProtocolError "usage" for what is no http URL
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
        ? "The RPC endpoint is the URL of a websocket, and requests are sent over HTTP."
        : "The RPC endpoint is not a URL that starts with http:// or https://, or several with commas between them.",
      isSocket
        ? "Use the endpoint's https:// URL, which most hosts give, too."
        : "Give a URL, for example http://127.0.0.1:8545.",
      { next: { setting: "rpcUrl" } },
    );
  }
  return urls;
}

/** Whether what came is the answer, so that no other endpoint is asked. */
function isAnswer({ refusal, ...outcome }: Attempt): boolean {
  return "results" in outcome && !(refusal && ASKS_OTHERS.has(refusal.kind));
}

function leavesHealthy({ refusal }: Attempt): boolean {
  return refusal !== null && LEAVES_HEALTHY.has(refusal.kind);
}

/** Whether a transaction may be out although its answer was lost. */
function mayHaveArrived(payload: Payload, attempt: Attempt): boolean {
  return "error" in attempt && isTransaction(payload);
}

function isTransaction(payload: Payload): boolean {
  return [payload].flat().some(({ method }) => method === "eth_sendRawTransaction");
}
