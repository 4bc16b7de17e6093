import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { expect } from "chai";
import { after, afterEach, before, describe, it } from "mocha";
import { createStorageServer } from "../../../../provider/storage/storageServer.ts";
import { FailoverProvider } from "../../../../sdk/rpc/FailoverProvider.ts";
import { proxyFor, readProxies, useProxies } from "../../../../sdk/rpc/proxy.ts";
import { fetchBytes } from "../../../../sdk/service/providerApi.ts";
import { download } from "../../../../sdk/storage/download.ts";
import { RangeConnection } from "../../../../sdk/storage/transfer/RangeConnection.ts";
import { upload } from "../../../../sdk/storage/upload.ts";
import { makeCertificate } from "../../../helpers/certificate.ts";
import { startFakeProviderApi } from "../../../helpers/fakeProviderApi.ts";
import { type HttpProxy, startHttpProxy } from "../../../helpers/httpProxy.ts";

describe("proxies", () => {
  const http = "http://proxy:3128";
  const https = "http://proxy:3129";
  const at = (url: string, except?: string) =>
    proxyFor(new URL(url), { http, https, except })?.port ?? null;

  it("are chosen by the protocol of the URL", () => {
    expect(at("http://node.example/")).to.equal("3128");
    expect(at("https://node.example/")).to.equal("3129");
    expect(proxyFor(new URL("https://node.example/"), { http })).to.equal(null);
  });

  it("are never used for this machine", () => {
    for (const host of ["localhost", "a.localhost", "127.0.0.1", "127.8.9.1", "[::1]"])
      expect(at(`http://${host}:8545/`), host).to.equal(null);
  });

  it("are not used for hosts in NO_PROXY: a host, its subdomains, one port of it, or all", () => {
    const rows: [except: string, url: string, isDirect: boolean][] = [
      ["node.example", "http://node.example/", true],
      ["node.example", "http://a.node.example/", true],
      ["node.example", "http://another-node.example/", false],
      [".node.example", "http://a.node.example/", true],
      ["*.node.example", "http://a.node.example/", true],
      ["x, NODE.example ,y", "http://node.example/", true],
      ["node.example:8545", "http://node.example:8545/", true],
      ["node.example:8545", "http://node.example/", false],
      ["node.example:443", "https://node.example/", true],
      ["10.0.0.7", "http://10.0.0.7/", true],
      ["10.0.0.7", "http://10.0.0.70/", false],
      ["*", "https://anything.example/", true],
      ["", "http://node.example/", false],
    ];
    for (const [except, url, isDirect] of rows)
      expect(at(url, except) === null, `${except} ${url}`).to.equal(isDirect);
  });

  it("are also read in lower case, and refused if they are not URLs", () => {
    const read = readProxies({ http_proxy: "http://a", HTTPS_PROXY: "http://b", NO_PROXY: "" });
    expect(read).to.deep.equal({ http: "http://a", https: "http://b", except: undefined });
    expect(() => useProxies({ http: "proxy:3128" })).to.throw("is not a URL");
  });

  describe("a real one", () => {
    let proxy: HttpProxy;
    let folder: string;
    before(async () => {
      proxy = await startHttpProxy("me:secret");
      folder = await mkdtemp(join(tmpdir(), "anneal-proxy-"));
      useProxies({ http: proxy.url, https: proxy.url });
    });
    afterEach(() => proxy.asked.splice(0));
    after(async () => {
      useProxies({});
      await proxy.close();
      await rm(folder, { recursive: true });
    });

    it("is used for the chain, and for a provider's API", async () => {
      const server = await startFakeProviderApi({
        "/rpc": async (request) => {
          const { id } = JSON.parse(Buffer.concat(await request.toArray()).toString());
          return { jsonrpc: "2.0", id, result: "0x5" };
        },
        "/v1/queue": () => "busy",
      });
      const { port } = new URL(server.url);
      const provider = new FailoverProvider([`http://chain.invalid:${port}/rpc`], 1);
      expect(await provider.send("eth_blockNumber", [])).to.equal("0x5");
      provider.destroy();
      const endpoint = { provider: "0x1", url: `http://api.invalid:${port}` };
      const limits = { maxBytes: 100, timeout: 10_000 };
      const bytes = await fetchBytes(endpoint, { path: "/v1/queue" }, limits);
      expect(Buffer.from(bytes).toString()).to.equal("busy");
      await server.close();
      expect(proxy.asked.join()).to.include("chain.invalid").and.to.include("api.invalid");
    });

    it("is used for storage, in both directions", async () => {
      const limits = {
        totalBytes: 2 ** 30,
        uploadBytes: 2 ** 30,
        freeDiskBytes: 0,
        abandonedAfterMs: 2 ** 30,
      };
      const server = await createStorageServer({ directory: join(folder, "blobs"), limits });
      await server.listen({ host: "127.0.0.1", port: 0 });
      const { port } = server.server.address() as AddressInfo;
      const content = Buffer.alloc(3_000_000, "anneal");
      await writeFile(join(folder, "data"), content);
      const url = `http://storage.invalid:${port}`;
      const { root } = await upload(url, join(folder, "data"));
      await download(url, root, join(folder, "copy"));
      expect((await readFile(join(folder, "copy"))).equals(content)).to.equal(true);
      await server.close();
      expect(proxy.asked.some((line) => line.startsWith("GET http://storage.invalid"))).to.equal(
        true,
      );
    });

    it("carries ranges over an encrypted connection through a tunnel", async () => {
      const { key, cert } = makeCertificate(folder, "storage.invalid");
      const content = Buffer.alloc(200_000, "0123456789");
      const server = createServer({ key, cert }, (request, response) => {
        const [, start, end] = /bytes=(\d+)-(\d+)/.exec(request.headers.range!)!;
        const range = content.subarray(Number(start), Number(end) + 1);
        response.writeHead(206, { "content-length": range.length }).end(range);
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      const ranges = new RangeConnection(new URL(`https://storage.invalid:${port}/x`));
      const target = Buffer.alloc(content.length);
      let taken = 0;
      const sink = () => ({
        room: () => target.subarray(taken, taken + 1_000),
        took: (length: number) => {
          taken += length;
          const hasRoom = taken % 50_000 !== 0;
          if (!hasRoom) setImmediate(() => ranges.resume());
          return hasRoom;
        },
      });
      const { signal } = new AbortController();
      const refused = await ranges.get([0, 9], sink, signal).catch((error) => error.code);
      expect(refused, "nobody vouches for it").to.equal("DEPTH_ZERO_SELF_SIGNED_CERT");
      const usual = getCACertificates("default");
      setDefaultCACertificates([...usual, cert]);
      try {
        await ranges.get([0, 99_999], sink, signal);
        await ranges.get([100_000, content.length - 1], sink, signal);
      } finally {
        setDefaultCACertificates(usual);
        ranges.close();
        server.close();
      }
      expect(target.equals(content)).to.equal(true);
      const tunnel = `CONNECT storage.invalid:${port}`;
      expect(proxy.asked).to.deep.equal([tunnel, tunnel]);
    });
  });
});
