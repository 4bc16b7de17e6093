import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { keccak256 } from "ethers";

export const ILLNESSES = [
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
export type Illness = (typeof ILLNESSES)[number];

interface Request {
  readonly id: number;
  readonly method: string;
  readonly params: unknown[];
}

/** Milliseconds between two spaces of a dripping endpoint. */
const DRIP = 500;
const PIECE = Buffer.alloc(2 ** 20, " ");
/** Blocks that a late endpoint is behind, and those that a narrow one searches. */
const LATE = 3;
const NARROW = 10;
/** Milliseconds that connections may take to end. */
const CLOSING = 5_000;

/** Stands between a daemon and its node, and is ill all the time until it heals. */
export class SickEndpoint {
  readonly #server: Server;
  readonly #target: string;
  readonly #connections = new Set<Socket>();
  #illness: Illness | null;
  /** The newest block of a halted endpoint. */
  #end = 0;
  strikes = 0;
  /** Connections that were open at the same time. */
  mostConnections = 0;

  private constructor(server: Server, target: string, illness: Illness | null) {
    this.#server = server;
    this.#target = target;
    this.#illness = illness;
  }

  static async start(target: string, illness: Illness | null): Promise<SickEndpoint> {
    const server = createServer();
    const endpoint = new SickEndpoint(server, target, null);
    await endpoint.fall(illness);
    server.on("connection", (socket) => endpoint.#count(socket));
    server.on("request", (request, response) => {
      endpoint.#answer(request, response).catch(() => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return endpoint;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Falls ill, or heals with null. What hangs by then goes on hanging. */
  async fall(illness: Illness | null): Promise<void> {
    if (illness === "halted") this.#end = await this.#head();
    this.#illness = illness;
  }

  /** @throws Error when whoever used it left connections open. */
  async demandNoConnections(): Promise<void> {
    for (const end = performance.now() + CLOSING; this.#connections.size > 0; await wait(20)) {
      if (performance.now() > end)
        throw new Error(`${this.#connections.size} connections are left open`);
    }
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #count(socket: Socket): void {
    this.#connections.add(socket);
    this.mostConnections = Math.max(this.mostConnections, this.#connections.size);
    socket.once("close", () => this.#connections.delete(socket));
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request: Request = JSON.parse(Buffer.concat(await incoming.toArray()).toString());
    if (this.#illness !== null) this.strikes++;
    switch (this.#illness) {
      case null:
        return reply(response, await this.#forward(request));
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
        return reply(response, refusal(request, -32005, "rate limit exceeded"), 429);
      case "halted":
        return reply(response, await this.#asOf(request, this.#end));
      case "late":
        return reply(response, await this.#asOf(request, (await this.#head()) - LATE));
      case "narrow":
        return this.#answerNarrow(request, response);
    }
  }

  async #answerNarrow(request: Request, response: ServerResponse): Promise<void> {
    const [filter] = request.params as { fromBlock?: string; toBlock?: string }[];
    const blocks = Number(filter?.toBlock) - Number(filter?.fromBlock) + 1;
    if (request.method !== "eth_getLogs" || blocks <= NARROW)
      return reply(response, await this.#forward(request));
    const words = `eth_getLogs is limited to a ${NARROW} range`;
    reply(response, refusal(request, -32614, words), 400);
  }

  /** The chain as it was when this was its newest block. It takes transactions and passes none on. */
  async #asOf(request: Request, block: number): Promise<object> {
    const { id, method, params } = request;
    const newest = `0x${Math.max(0, block).toString(16)}`;
    const result = (value: unknown) => ({ jsonrpc: "2.0", id, result: value });
    if (method === "eth_blockNumber") return result(newest);
    if (method === "eth_sendRawTransaction" && this.#illness === "halted")
      return result(keccak256(params[0] as string));
    const isBehind = method === "eth_getBlockByNumber" && Number(params[0]) > block;
    if (isBehind) return result(null);
    const then = params.map((value) =>
      value === "latest" || value === "pending" ? newest : value,
    );
    const answer = (await this.#forward({ ...request, params: then })) as { result?: unknown };
    return method === "eth_getTransactionReceipt" && isLater(answer.result, block)
      ? result(null)
      : answer;
  }

  async #head(): Promise<number> {
    const answer = await this.#forward({ id: 0, method: "eth_blockNumber", params: [] });
    return Number((answer as { result: string }).result);
  }

  async #forward(request: Request): Promise<object> {
    const response = await fetch(this.#target, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", ...request }),
    });
    return (await response.json()) as object;
  }
}

function isLater(receipt: unknown, block: number): boolean {
  const { blockNumber } = (receipt ?? {}) as { blockNumber?: string };
  return Number(blockNumber) > block;
}

function refusal({ id }: Request, code: number, message: string): object {
  return { jsonrpc: "2.0", id, error: { code, message } };
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

function reply(response: ServerResponse, answer: object, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
}
