import type { ServerResponse } from "node:http";
import { RpcEndpoint, type RpcRequest, reply, rpcError, rpcResult } from "../faults/RpcEndpoint.ts";

/** What an endpoint allows in one request for events. */
export interface LogLimits {
  readonly blocks?: number;
  readonly results?: number;
  /** Its message, if one of these limits is exceeded. */
  readonly words?: string;
}

/** An address in front of a node that keeps every request, and limits those for events. */
export class CountingEndpoint extends RpcEndpoint {
  /** In order of arrival. */
  readonly requests: RpcRequest[] = [];
  limits: LogLimits;
  /** Whether it answers requests for events as if there were none. */
  hidesLogs = false;

  private constructor(target: string, limits: LogLimits) {
    super(target);
    this.limits = limits;
  }

  static start(target: string, limits: LogLimits = {}): Promise<CountingEndpoint> {
    return new CountingEndpoint(target, limits).listen();
  }

  /** The number of requests during some work, and the ranges of those for events. */
  async count(work: () => Promise<unknown>): Promise<{ requests: number; ranges: number[] }> {
    const first = this.requests.length;
    await work();
    const made = this.requests.slice(first);
    const ranges = made.filter(({ method }) => method === "eth_getLogs").map(blocksOf);
    return { requests: made.length, ranges };
  }

  protected async answer(request: RpcRequest, response: ServerResponse): Promise<void> {
    this.requests.push(request);
    if (request.method !== "eth_getLogs") return reply(response, await this.forward(request));
    const { blocks = Infinity, results = Infinity, words = "limit exceeded" } = this.limits;
    const refuse = () => reply(response, rpcError(request, -32005, words), 400);
    if (blocksOf(request) > blocks) return refuse();
    if (this.hidesLogs) return reply(response, rpcResult(request, []));
    const answer = await this.forward(request);
    if ((answer.result as unknown[]).length > results) return refuse();
    reply(response, answer);
  }
}

/** The number of blocks of a request for events. */
function blocksOf({ params }: RpcRequest): number {
  const [filter] = params as { fromBlock: string; toBlock: string }[];
  return Number(filter!.toBlock) - Number(filter!.fromBlock) + 1;
}
