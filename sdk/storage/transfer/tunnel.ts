import { once } from "node:events";
import { type IncomingMessage, request as sendHttp } from "node:http";
import { request as sendHttps } from "node:https";
import type { Socket } from "node:net";
import { proxyAuthorization } from "../../rpc/proxy.ts";

/**
 * Opens a connection to `target` through a proxy.
 * @param target host and port
 * @throws Error if the proxy refuses or cannot be reached
 */
export async function openTunnel(
  proxy: URL,
  target: string,
  { timeout, signal }: { timeout: number; signal: AbortSignal },
): Promise<Socket> {
  const send = proxy.protocol === "https:" ? sendHttps : sendHttp;
  const request = send({
    host: proxy.hostname.replace(/^\[|\]$/g, ""),
    port: proxy.port || undefined,
    method: "CONNECT",
    path: target,
    headers: { host: target, ...proxyAuthorization(proxy) },
    agent: false,
    timeout,
    signal,
  });
  request.on("timeout", () => request.destroy(new Error("the proxy does not answer")));
  request.end();
  // Also emitted if the proxy answers with an error.
  const [answer, socket] = (await once(request, "connect")) as [IncomingMessage, Socket];
  if (answer.statusCode === 200) return socket;
  socket.destroy();
  throw new Error(`the proxy refuses with HTTP ${answer.statusCode}`);
}
