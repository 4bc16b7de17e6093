import { FetchRequest, JsonRpcProvider } from "ethers";

/** Milliseconds that the chain's node may take for one answer. */
const RPC_TIMEOUT = 20_000;

/** How often an endpoint that says "slow down" is asked again while there is another one. */
const PATIENCE_WITH_OTHERS = 2;

type Payload = Parameters<JsonRpcProvider["_send"]>[0];
type Options = ConstructorParameters<typeof JsonRpcProvider>[2];

/**
 * One chain through several endpoints. It asks one of them, and goes on with the next where that one does not answer:
 * connection refused or lost, time-out, HTTP error, an answer that is no JSON. What an endpoint answers is taken as it
 * is, errors too: whoever sees that it cannot be right calls `switchEndpoint`. A transaction is never sent twice: it may
 * have arrived although the answer did not.
 */
export class FailoverProvider extends JsonRpcProvider {
  readonly #endpoints: readonly FetchRequest[];
  #current = 0;

  /**
   * Connects nothing yet.
   * @param urls at least one; all of them serve the chain `chainId`
   */
  constructor(urls: readonly string[], chainId: number, options?: Options) {
    const endpoints = urls.map((url) => openEndpoint(url, urls.length > 1));
    super(endpoints[0]!, chainId, { ...options, staticNetwork: true });
    this.#endpoints = endpoints;
  }

  /** Asks the next endpoint from now on. */
  switchEndpoint(): void {
    this.#current = (this.#current + 1) % this.#endpoints.length;
  }

  override _getConnection(): FetchRequest {
    return this.#endpoints[this.#current]!.clone();
  }

  override async _send(payload: Payload): ReturnType<JsonRpcProvider["_send"]> {
    for (let left = isTransaction(payload) ? 0 : this.#endpoints.length - 1; ; left--) {
      const asked = this.#current;
      try {
        return await super._send(payload);
      } catch (error) {
        // Of several requests that fail together, one switches.
        if (asked === this.#current) this.switchEndpoint();
        if (left === 0) throw error;
      }
    }
  }
}

function isTransaction(payload: Payload): boolean {
  return [payload].flat().some(({ method }) => method === "eth_sendRawTransaction");
}

function openEndpoint(url: string, hasOthers: boolean): FetchRequest {
  const endpoint = new FetchRequest(url);
  endpoint.timeout = RPC_TIMEOUT;
  if (hasOthers) endpoint.setThrottleParams({ maxAttempts: PATIENCE_WITH_OTHERS });
  return endpoint;
}
