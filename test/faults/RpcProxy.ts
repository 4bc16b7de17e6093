import type { ServerResponse } from "node:http";
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
import type { Random } from "./seededRandom.ts";

export const RPC_FAULTS = [
  "delay",
  "reset",
  "too many requests",
  "server error",
  "malformed",
  "stale head",
  "lost logs",
  "repeated logs",
  "reordered logs",
  "accepted but dropped",
  "answer lost",
  "nonce too low",
  "nonce too high",
  "underpriced",
  "wrong chain",
  "empty chain",
  "receipts missing",
  "old state",
] as const;
export type RpcFault = (typeof RPC_FAULTS)[number];

/** Number of blocks that a stale endpoint is behind. */
const STALE = 3;

/** A proxy between a daemon and its node that corrupts some of the answers, up to a number of them. */
export class RpcProxy extends RpcEndpoint {
  readonly #fault: RpcFault;
  readonly #random: Random;
  #left: number;
  strikes = 0;

  private constructor(target: string, fault: RpcFault, random: Random) {
    super(target);
    this.#fault = fault;
    this.#random = random;
    this.#left = random.integer(3, 30);
  }

  static start(target: string, fault: RpcFault, random: Random): Promise<RpcProxy> {
    return new RpcProxy(target, fault, random).listen();
  }

  protected async answer(request: RpcRequest, response: ServerResponse): Promise<void> {
    const strikes =
      this.#left > 0 && this.#applies(request.method) && this.#random.next() < PROBABILITY;
    if (!strikes) return reply(response, await this.forward(request));
    this.#left--;
    this.strikes++;
    await this.#spoil(request, response);
  }

  #applies(method: string): boolean {
    const methods = METHODS[this.#fault];
    return !methods || methods.includes(method);
  }

  async #spoil(request: RpcRequest, response: ServerResponse): Promise<void> {
    switch (this.#fault) {
      case "delay":
        await wait(this.#random.integer(5, 80));
        return reply(response, await this.forward(request));
      case "reset":
        return void response.destroy();
      case "too many requests":
        return void response.writeHead(429, { "retry-after": "0" }).end("slow down");
      case "server error":
        return void response.writeHead(502).end("<html>bad gateway</html>");
      case "malformed":
        return void response.writeHead(200).end('{"jsonrpc":"2.0","id":');
      case "answer lost":
        await this.forward(request);
        return void response.destroy();
      case "accepted but dropped":
        return reply(response, rpcResult(request, transactionHash(request)));
      case "nonce too low":
        return reply(response, rpcError(request, -32000, "nonce too low"));
      case "nonce too high":
        return reply(response, rpcError(request, -32000, "nonce too high"));
      case "underpriced":
        return reply(response, rpcError(request, -32000, "replacement transaction underpriced"));
      case "wrong chain":
        return reply(response, this.#ofAnotherChain(request));
      case "empty chain":
        return reply(response, rpcResult(request, request.method === "eth_call" ? "0x" : null));
      case "receipts missing":
        return reply(response, rpcResult(request, null));
      case "lost logs":
        return reply(response, rpcResult(request, []));
      case "stale head":
      case "old state":
        return reply(response, await this.#stale(request));
      case "repeated logs":
      case "reordered logs":
        return reply(response, shuffleLogs(await this.forward(request), this.#fault));
    }
  }

  /** The chain as it was some blocks ago. */
  async #stale(request: RpcRequest): Promise<RpcAnswer> {
    const head = await this.forward({ id: 0, method: "eth_blockNumber", params: [] });
    const old = `0x${Math.max(0, Number(head.result) - STALE).toString(16)}`;
    if (request.method === "eth_blockNumber") return rpcResult(request, old);
    const params = request.params.map((value) =>
      value === "latest" || value === "pending" ? old : value,
    );
    return this.forward({ ...request, params });
  }

  #ofAnotherChain(request: RpcRequest): RpcAnswer {
    const hash = `0x${"ab".repeat(32)}`;
    switch (request.method) {
      case "eth_chainId":
        return rpcResult(request, "0x1");
      case "eth_blockNumber":
        return rpcResult(request, "0xfffff");
      case "eth_call":
        return rpcResult(request, "0x");
      case "eth_getLogs":
        return rpcResult(request, []);
      case "eth_getBlockByNumber":
        return rpcResult(request, { ...EMPTY_BLOCK, hash, number: numberOf(request.params[0]) });
      default:
        return rpcResult(request, null);
    }
  }
}

const PROBABILITY = 0.4;

const METHODS: Partial<Record<RpcFault, readonly string[]>> = {
  "lost logs": ["eth_getLogs"],
  "repeated logs": ["eth_getLogs"],
  "reordered logs": ["eth_getLogs"],
  "accepted but dropped": ["eth_sendRawTransaction"],
  "answer lost": ["eth_sendRawTransaction"],
  "nonce too low": ["eth_sendRawTransaction"],
  "nonce too high": ["eth_sendRawTransaction"],
  underpriced: ["eth_sendRawTransaction"],
  "receipts missing": ["eth_getTransactionReceipt"],
  "stale head": ["eth_blockNumber", "eth_getBlockByNumber"],
  "old state": ["eth_call", "eth_getTransactionCount"],
  "wrong chain": [
    "eth_chainId",
    "eth_blockNumber",
    "eth_call",
    "eth_getLogs",
    "eth_getBlockByNumber",
    "eth_getTransactionReceipt",
  ],
  "empty chain": ["eth_call", "eth_getBlockByNumber", "eth_getTransactionReceipt"],
};

const EMPTY_BLOCK = {
  parentHash: `0x${"cd".repeat(32)}`,
  timestamp: "0x1",
  nonce: "0x0000000000000000",
  difficulty: "0x0",
  gasLimit: "0x1c9c380",
  gasUsed: "0x0",
  miner: `0x${"00".repeat(20)}`,
  extraData: "0x",
  baseFeePerGas: "0x7",
  transactions: [],
};

const numberOf = (tag: unknown) => (String(tag).startsWith("0x") ? tag : "0xfffff");

/** The answer of a node that falsely reports having accepted a transaction. */
function transactionHash({ params }: RpcRequest): string {
  return keccak256(params[0] as string);
}

function shuffleLogs(answer: RpcAnswer, fault: "repeated logs" | "reordered logs"): RpcAnswer {
  const logs = answer.result as unknown[];
  return { ...answer, result: fault === "repeated logs" ? [...logs, ...logs] : logs.toReversed() };
}
