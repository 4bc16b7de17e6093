import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { addressGroup } from "./addressGroup.ts";

export interface ConnectionLimits {
  readonly total: number;
  /** For one address; a loopback address may have them all, because a proxy there speaks for everybody. */
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
 * Bounds the connections of a server, for each address and in all. When all are taken, a new one takes the place of the
 * one that has been without a request for longest, of the address that has the most.
 */
export function limitConnections(server: Server, limits: ConnectionLimits): void {
  const { total, perAddress, idleMs } = limits;
  const byAddress = new Map<string, Set<Connection>>();
  const bySocket = new Map<Socket, Connection>();
  server.maxConnections = total + 1; // one more than are kept, so that it can be chosen who has to go
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
    // Until its first request begins; from then on, keepAliveTimeout counts.
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
      // To the end of the order in which idle ones are displaced.
      const theirs = byAddress.get(connection.address);
      if (theirs?.delete(connection)) theirs.add(connection);
    });
  });
}

/** Closes an idle connection. @returns false when there is none. */
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
