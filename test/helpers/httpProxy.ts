import { createServer, request as send } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";

/** A proxy on this machine that resolves every name to this machine. */
export interface HttpProxy {
  readonly url: string;
  /** Its requests: method and target. */
  readonly asked: string[];
  close(): Promise<void>;
}

/** @param user name and password that it requires, with a colon between them */
export async function startHttpProxy(user?: string): Promise<HttpProxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const expected = user && `Basic ${Buffer.from(user).toString("base64")}`;
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (expected && request.headers["proxy-authorization"] !== expected)
      return void response.writeHead(407).end();
    const { port, pathname, search } = new URL(request.url!);
    const { method, headers } = request;
    const onward = send({ host: "127.0.0.1", port, path: pathname + search, method, headers });
    onward.on("response", (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
  server.on("connect", (request, socket: Socket) => {
    asked.push(`CONNECT ${request.url}`);
    const port = Number(request.url!.split(":").at(-1));
    const onward = connect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      socket.pipe(onward).pipe(socket);
    });
    for (const end of [socket, onward]) {
      sockets.add(end);
      end.on("error", () => end.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${user ? `${user}@` : ""}127.0.0.1:${port}`,
    asked,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
