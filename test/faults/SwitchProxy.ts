import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** One address behind which now one node answers, now another: a network that is started again under a daemon. */
export class SwitchProxy {
  readonly #server: Server;
  /** Where the next requests go. */
  target: string;

  private constructor(server: Server, target: string) {
    this.#server = server;
    this.target = target;
  }

  static async start(target: string): Promise<SwitchProxy> {
    const server = createServer();
    const proxy = new SwitchProxy(server, target);
    server.on("request", async (request, response) => {
      try {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk);
        const headers = { "content-type": "application/json" };
        const body = Buffer.concat(chunks);
        const answer = await fetch(proxy.target, { method: "POST", headers, body });
        response.writeHead(answer.status, headers).end(await answer.text());
      } catch {
        response.destroy();
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
