import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { FastifyInstance } from "fastify";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import { systemClock } from "../../../../provider/clock.ts";
import { claimCheck } from "../../../../provider/storage/claims.ts";
import { createStorageServer } from "../../../../provider/storage/storageServer.ts";
import type { Client } from "../../../../sdk/client.ts";
import { signRequest } from "../../../../sdk/service/signedRequest.ts";
import { upload } from "../../../../sdk/storage/upload.ts";
import { MarketFixture } from "../../../helpers/MarketFixture.ts";
import { rejection } from "../../../helpers/rejection.ts";

describe("signed uploads", () => {
  let market: MarketFixture;
  let folder: string;
  let storage: FastifyInstance;
  let elsewhere: Server;
  /** For each announcement, whether it was signed, and how it was answered. */
  let announced: { isSigned: boolean; status: number }[];

  before(async () => {
    market = await MarketFixture.open();
  });
  after(() => market.close());

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "anneal-claims-"));
    announced = [];
    storage = await createStorageServer({
      directory: join(folder, "blobs"),
      limits: {
        ...{ totalBytes: 2 ** 30, uploadBytes: 2 ** 30, freeDiskBytes: 0 },
        ...{ abandonedAfterMs: 3_600_000, addressBytes: 1_000, walletBytes: 5_000 },
      },
      claims: claimCheck(market.reader, systemClock),
    });
    storage.addHook("onResponse", async ({ method, url, headers }, { statusCode }) => {
      if (method !== "PUT" || url.includes("/segments")) return;
      announced.push({ isSigned: headers.authorization !== undefined, status: statusCode });
    });
    await storage.listen({ host: "127.0.0.1", port: 0 });
    elsewhere = await proxyOf(storage, "192.0.2.1");
  });
  afterEach(async () => {
    elsewhere.closeAllConnections();
    elsewhere.close();
    await storage.close();
    await rm(folder, { recursive: true });
  });

  const file = async (bytes: number) => {
    const path = join(folder, `${bytes}`);
    await writeFile(path, Buffer.alloc(bytes, bytes % 251));
    return path;
  };
  const signedBy = (client: Client) => ({
    sign: (toSign: { method: string; path: string }) => signRequest(client, toSign),
  });

  it("are signed only if the storage requires it, and count for the wallet", async () => {
    const { url } = addressOf(elsewhere);
    await upload(url, await file(800), signedBy(market.user));
    await upload(url, await file(4_000), signedBy(market.user));
    expect(announced).to.deep.equal([
      { isSigned: false, status: 200 },
      { isSigned: false, status: 401 },
      { isSigned: true, status: 200 },
    ]);
    const error = await rejection(upload(url, await file(4_500), signedBy(market.user)));
    expect(error.message).to.include("would exceed the limit of 5000");
  });

  it("do not count for wallets without an account in the Ledger, nor for unsigned uploads", async () => {
    const { url } = addressOf(elsewhere);
    const path = await file(4_000);
    for (const options of [{}, signedBy(market.stranger)]) {
      const error = await rejection(upload(url, path, options));
      expect(error).to.include({ code: "declined" });
    }
  });

  it("are refused if the signature is for something else", async () => {
    const { url } = addressOf(elsewhere);
    const path = await file(4_000);
    const sign = () => signRequest(market.user, { method: "PUT", path: "/uploads/other?size=1" });
    await rejection(upload(url, path, { sign }));
    expect(announced.map(({ status }) => status)).to.deep.equal([401, 401]);
  });

  it("need no signature on this machine", async () => {
    await upload(addressOf(storage.server).url, await file(4_000));
    expect(announced).to.deep.equal([{ isSigned: false, status: 200 }]);
  });
});

function addressOf(server: FastifyInstance["server"] | Server): { url: string; port: number } {
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, port };
}

/** A proxy on the storage's machine that reports another origin for everything. */
async function proxyOf(storage: FastifyInstance, address: string): Promise<Server> {
  const { port } = addressOf(storage.server);
  const server = createServer((incoming, response) => {
    const { method, url, headers } = incoming;
    const forwarded = { ...headers, "x-forwarded-for": address };
    const outgoing = request({ port, host: "127.0.0.1", method, path: url, headers: forwarded });
    outgoing.on("response", (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    outgoing.on("error", () => response.destroy());
    incoming.pipe(outgoing);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}
