import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { addressGroup } from "./addressGroup.ts";

export interface ConnectionLimits {
  readonly total: number;
  /** For one address. Loopback addresses are exempt, because a local proxy connects for all clients. */
  readonly perAddress: number;
  /** Milliseconds after which a connection without a request is closed. */
  readonly idleMs: number;
}

interface Connection {
  readonly socket: Socket;
  readonly address: string;
  requests: number;
}

/**
 * Limits the connections of a server, per address and in total. At the total limit, a new connection displaces the one
 * that has been idle for longest, of the address that has the most.
 */
export function limitConnections(server: Server, limits: ConnectionLimits): void {
  const { total, perAddress, idleMs } = limits;
  const byAddress = new Map<string, Set<Connection>>();
  const bySocket = new Map<Socket, Connection>();
  server.maxConnections = total + 1; // one more than allowed, so that a new connection can displace an idle one
  server.keepAliveTimeout = idleMs;

  server.on("connection", (socket: Socket) => {
    const address = addressGroup(socket.remoteAddress ?? "");
    const theirs = byAddress.get(address) ?? new Set();
    const most = /^127\.|^0:0:0:0::\/64$/.test(address) ? total : perAddress;
    if (theirs.size >= most || (bySocket.size >= total && !displace(byAddress))) {
      socket.destroy();
      return;
    }
    const connection = { socket, address, requests: 0 };
    byAddress.set(address, theirs.add(connection));
    bySocket.set(socket, connection);
    // Applies until the first request begins; from then on, keepAliveTimeout does.
    const idle = setTimeout(() => {
      if (connection.requests === 0 && socket.bytesRead === 0) socket.destroy();
    }, idleMs).unref();
    socket.once("close", () => {
      clearTimeout(idle);
      bySocket.delete(socket);
      theirs.delete(connection);
      if (theirs.size === 0) byAddress.delete(address);
    });
  });
  server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    const connection = bySocket.get(socket);
    if (!connection) return;
    connection.requests++;
    response.once("close", () => {
      connection.requests--;
      // Moves it to the end of the order in which idle ones are displaced.
      const theirs = byAddress.get(connection.address);
      if (theirs?.delete(connection)) theirs.add(connection);
    });
  });
}

/** Closes an idle connection. @returns false if there is none. */
function displace(byAddress: ReadonlyMap<string, ReadonlySet<Connection>>): boolean {
  const addresses = [...byAddress.values()].sort((a, b) => b.size - a.size);
  for (const theirs of addresses) {
    for (const { socket, requests } of theirs) {
      if (requests > 0) continue;
      socket.destroy();
      return true;
    }
  }
  return false;
}
