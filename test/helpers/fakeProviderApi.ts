import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Answers one path; its result is sent unchanged (bytes, text) or as JSON. */
export type Route = (request: IncomingMessage, response: ServerResponse, url: URL) => unknown;

/** An HTTP server that answers like a provider, as a test wants. */
export interface FakeProviderApi {
  readonly url: string;
  /** By path, without the query. May be changed while it runs. */
  readonly routes: Record<string, Route>;
  close(): Promise<void>;
}

/** Starts one on a free port. A route that returns undefined has answered by itself. */
export async function startFakeProviderApi(
  routes: Record<string, Route> = {},
): Promise<FakeProviderApi> {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url!, "http://127.0.0.1");
    const route = routes[url.pathname];
    if (!route) {
      response.writeHead(404).end();
      return;
    }
    const answer = await route(request, response, url);
    if (answer === undefined) return;
    const isRaw = typeof answer === "string" || answer instanceof Uint8Array;
    response.end(isRaw ? answer : JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    routes,
    close: () =>
      new Promise((resolve, reject) => {
        server.closeAllConnections();
        server.close((error) => (error ? reject(error) : resolve()));
      }),
  };
}
