import { Agent, Dispatcher, ProxyAgent } from "undici";
import { proxyFor } from "./proxy.ts";

/** Connections to servers, direct or through the proxy configured for their URL. The caller closes it. */
export function openDispatcher(options: Agent.Options = {}): Dispatcher {
  return new ProxiedAgent(options);
}

class ProxiedAgent extends Dispatcher {
  readonly #options: Agent.Options;
  /** By the proxy's address; "" for direct connections. */
  readonly #agents = new Map<string, Dispatcher>();

  constructor(options: Agent.Options) {
    super();
    this.#options = options;
  }

  override dispatch(
    request: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
  ): boolean {
    const uri = proxyFor(new URL(String(request.origin)))?.href ?? "";
    const agent = this.#agents.get(uri) ?? this.#open(uri);
    return agent.dispatch(request, handler);
  }

  override close = async (): Promise<void> => {
    await Promise.all([...this.#agents.values()].map((agent) => agent.close()));
  };

  override destroy = async (): Promise<void> => {
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()));
  };

  #open(uri: string): Dispatcher {
    const agent = uri === "" ? new Agent(this.#options) : new ProxyAgent({ ...this.#options, uri });
    this.#agents.set(uri, agent);
    return agent;
  }
}
