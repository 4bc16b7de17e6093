import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import type { FastifyInstance } from "fastify";
import { createStorageServer } from "../../../../provider/storage/storageServer.ts";
import type { Shard } from "../../../../sdk/storage/zerog/ZeroGNode.ts";
import type { FlowChain } from "../../../helpers/flowChain.ts";
import { WIDE_LIMITS } from "./storageNode.ts";

// biome-ignore lint/suspicious/noExplicitAny: a faulty node changes whatever it likes in what others say
type Anything = any;

export interface RpcCall {
  readonly method: string;
  readonly params: Anything[];
}

interface RpcOutcome {
  readonly result?: Anything;
  readonly error?: Anything;
}

/** A node's reaction to a call: an answer, none at all, or half of the right one. `ask` returns the right one. */
export type Behaviour = (
  call: RpcCall,
  ask: (call?: RpcCall) => Promise<RpcOutcome>,
) => RpcOutcome | "stall" | "cut" | Promise<RpcOutcome | "stall" | "cut">;

export const honest: Behaviour = (_, ask) => ask();

/** A storage node behind a proxy that may misbehave. */
export class Front {
  readonly calls: RpcCall[] = [];
  readonly shard: Shard;
  behaviour: Behaviour;
  readonly #server: Server;

  private constructor(target: string, shard: Shard, behaviour: Behaviour) {
    this.shard = shard;
    this.behaviour = behaviour;
    this.#server = createServer((request, response) => {
      // Connections that are open when the network is closed end with their target.
      this.#answer(request, response, target).catch(() => response.destroy());
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse, target: string) {
    const call = (await json(request)) as RpcCall;
    this.calls.push(call);
    const answer = await this.behaviour(call, (other = call) => forward(target, other));
    if (answer === "stall") return;
    const outcome = answer === "cut" ? await forward(target, call) : answer;
    const text = JSON.stringify({ jsonrpc: "2.0", id: 1, ...outcome });
    response.writeHead(200, { "content-length": Buffer.byteLength(text) });
    if (answer !== "cut") response.end(text);
    else response.write(text.slice(0, text.length / 2), () => response.destroy());
  }

  static async start(
    target: string,
    behaviour: Behaviour = honest,
    shard: Shard = { shardId: 0, numShard: 1 },
  ): Promise<Front> {
    const front = new Front(target, shard, behaviour);
    front.#server.listen(0, "127.0.0.1");
    await once(front.#server, "listening");
    return front;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Calls of a method so far. */
  count(method: RegExp): number {
    return this.calls.filter((call) => method.test(call.method)).length;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

async function forward(target: string, call: RpcCall): Promise<RpcOutcome> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, ...call });
  const headers = { "content-type": "application/json" };
  const { result, error } = (await (
    await fetch(target, { method: "POST", headers, body })
  ).json()) as RpcOutcome;
  return error ? { error } : { result };
}

/** A network like 0G's on one machine: embedded nodes that follow one Flow contract, proxies, and an indexer. */
export class ZeroGNetwork {
  readonly #chain: FlowChain;
  readonly #folder: string;
  readonly #nodes: FastifyInstance[] = [];
  readonly #fronts: Front[] = [];
  #indexer: Front | null = null;

  constructor(chain: FlowChain, folder: string) {
    this.#chain = chain;
    this.#folder = folder;
  }

  /** Starts an honest node. @returns its URL. */
  async addNode(): Promise<string> {
    const directory = join(this.#folder, `node-${this.#nodes.length}`);
    const submissions = this.#chain.follow();
    const node = await createStorageServer({ directory, limits: WIDE_LIMITS, submissions });
    this.#nodes.push(node);
    return node.listen({ host: "127.0.0.1", port: 0 });
  }

  async addFront(target: string, behaviour: Behaviour, shard?: Shard): Promise<Front> {
    const front = await Front.start(target, behaviour, shard);
    this.#fronts.push(front);
    return front;
  }

  /** Starts an indexer that lists these proxies in this order. @returns the endpoint for our client. */
  async list(...fronts: readonly Front[]): Promise<string> {
    const nodes = fronts.map(({ url, shard }) => ({ url, config: shard, latency: 1, since: 1 }));
    this.#indexer?.close();
    this.#indexer = await Front.start("", ({ method }) => ({
      result: method === "indexer_getFileLocations" ? nodes : { trusted: nodes, discovered: null },
    }));
    return `0g+${this.#indexer.url}?flow=${this.#chain.flowAddress}`;
  }

  async close(): Promise<void> {
    this.#indexer?.close();
    for (const front of this.#fronts) front.close();
    await Promise.all(this.#nodes.map((node) => node.close()));
  }
}
