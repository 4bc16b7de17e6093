import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { keccak256 } from "ethers";
import {
  type RpcAnswer,
  RpcEndpoint,
  type RpcRequest,
  reply,
  rpcError,
  rpcResult,
} from "./RpcEndpoint.ts";

export const ENDPOINT_FAULTS = [
  "dripping",
  "silent",
  "endless",
  "half",
  "html",
  "limited",
  "halted",
  "late",
  "narrow",
] as const;
export type EndpointFault = (typeof ENDPOINT_FAULTS)[number];

/** Milliseconds between two spaces of a slow-dripping endpoint. */
const DRIP = 500;
const PIECE = Buffer.alloc(2 ** 20, " ");
/** Number of blocks that a late endpoint is behind, and that a narrow one searches. */
const LATE = 3;
const NARROW = 10;
/** Milliseconds that connections may take to end. */
const CLOSING = 5_000;

/** A proxy between a daemon and its node with a permanent fault, until it is healed. */
export class FaultyEndpoint extends RpcEndpoint {
  readonly #connections = new Set<Socket>();
  #fault: EndpointFault | null = null;
  /** The newest block of a halted endpoint. */
  #end = 0;
  strikes = 0;
  /** Maximum number of connections open at the same time. */
  mostConnections = 0;

  static async start(target: string, fault: EndpointFault | null): Promise<FaultyEndpoint> {
    const endpoint = new FaultyEndpoint(target);
    await endpoint.fall(fault);
    endpoint.server.on("connection", (socket) => endpoint.#count(socket));
    return endpoint.listen();
  }

  /** Sets the fault, or heals with null. Pending requests keep hanging. */
  async fall(fault: EndpointFault | null): Promise<void> {
    if (fault === "halted") this.#end = await this.#head();
    this.#fault = fault;
  }

  /** @throws Error if its user left connections open. */
  async ensureNoConnections(): Promise<void> {
    for (const end = performance.now() + CLOSING; this.#connections.size > 0; await wait(20)) {
      if (performance.now() > end)
        throw new Error(`${this.#connections.size} connections are left open`);
    }
  }

  #count(socket: Socket): void {
    this.#connections.add(socket);
    this.mostConnections = Math.max(this.mostConnections, this.#connections.size);
    socket.once("close", () => this.#connections.delete(socket));
  }

  protected async answer(request: RpcRequest, response: ServerResponse): Promise<void> {
    if (this.#fault !== null) this.strikes++;
    switch (this.#fault) {
      case null:
        return reply(response, await this.forward(request));
      case "silent":
        return;
      case "dripping":
        return drip(response);
      case "endless":
        return pour(response);
      case "half":
        return void response.writeHead(200, { "content-length": 1_000 }).write('{"jsonrpc":"2.0",');
      case "html":
        return void response.writeHead(200).end("<html>Sign in to the hotel's network</html>");
      case "limited":
        return reply(response, rpcError(request, -32005, "rate limit exceeded"), 429);
      case "halted":
        return reply(response, await this.#asOf(request, this.#end));
      case "late":
        return reply(response, await this.#asOf(request, (await this.#head()) - LATE));
      case "narrow":
        return this.#answerNarrow(request, response);
    }
  }

  async #answerNarrow(request: RpcRequest, response: ServerResponse): Promise<void> {
    const [filter] = request.params as { fromBlock?: string; toBlock?: string }[];
    const blocks = Number(filter?.toBlock) - Number(filter?.fromBlock) + 1;
    if (request.method !== "eth_getLogs" || blocks <= NARROW)
      return reply(response, await this.forward(request));
    const words = `eth_getLogs is limited to a ${NARROW} range`;
    reply(response, rpcError(request, -32614, words), 400);
  }

  /** The chain as of this newest block. It accepts transactions and forwards none. */
  async #asOf(request: RpcRequest, block: number): Promise<RpcAnswer> {
    const { method, params } = request;
    const newest = `0x${Math.max(0, block).toString(16)}`;
    if (method === "eth_blockNumber") return rpcResult(request, newest);
    if (method === "eth_sendRawTransaction" && this.#fault === "halted")
      return rpcResult(request, keccak256(params[0] as string));
    const isBehind = method === "eth_getBlockByNumber" && Number(params[0]) > block;
    if (isBehind) return rpcResult(request, null);
    const then = params.map((value) =>
      value === "latest" || value === "pending" ? newest : value,
    );
    const answer = await this.forward({ ...request, params: then });
    return method === "eth_getTransactionReceipt" && isLater(answer.result, block)
      ? rpcResult(request, null)
      : answer;
  }

  async #head(): Promise<number> {
    const answer = await this.forward({ id: 0, method: "eth_blockNumber", params: [] });
    return Number(answer.result);
  }
}

function isLater(receipt: unknown, block: number): boolean {
  const { blockNumber } = (receipt ?? {}) as { blockNumber?: string };
  return Number(blockNumber) > block;
}

function drip(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/json" });
  const timer = setInterval(() => response.write(" "), DRIP);
  response.once("close", () => clearInterval(timer));
}

function pour(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/json" });
  const more = () => {
    while (!response.destroyed && response.write(PIECE)) {
      // until it is full
    }
    response.once("drain", more);
  };
  more();
}
