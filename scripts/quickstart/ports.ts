import { createServer } from "node:net";

/** The ports that commands expect on the local network. */
export const PORTS = { chain: 8545, storage: 5678, api: 3080 };

/** The default ports that are in use. */
export async function takenPorts(): Promise<number[]> {
  const ports = Object.values(PORTS);
  const free = await Promise.all(ports.map(isFree));
  return ports.filter((_, index) => !free[index]);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

export async function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
