import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface RpcRequest {
  readonly id: number;
  readonly method: string;
  readonly params: unknown[];
}

export interface RpcAnswer {
  readonly jsonrpc: "2.0";
  readonly id: number;
  readonly result?: unknown;
  readonly error?: unknown;
}

/** A separate address in front of a node. Subclasses decide what it answers. */
export abstract class RpcEndpoint {
  protected readonly server: Server;
  /** The node. */
  target: string;

  protected constructor(target: string) {
    this.target = target;
    this.server = createServer(async (incoming, response) => {
      try {
        const body = Buffer.concat(await incoming.toArray());
        await this.answer(JSON.parse(body.toString()), response);
      } catch {
        response.destroy();
      }
    });
  }

  protected abstract answer(request: RpcRequest, response: ServerResponse): Promise<void>;

  /** What the node answers. */
  protected async forward(request: RpcRequest): Promise<RpcAnswer> {
    const response = await fetch(this.target, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", ...request }),
    });
    return (await response.json()) as RpcAnswer;
  }

  protected async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

export function rpcResult({ id }: RpcRequest, result: unknown): RpcAnswer {
  return { jsonrpc: "2.0", id, result };
}

export function rpcError({ id }: RpcRequest, code: number, message: string): RpcAnswer {
  return { jsonrpc: "2.0", id, error: { code, message } };
}

export function reply(response: ServerResponse, answer: RpcAnswer, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
}
