import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect } from "chai";
import { afterEach, describe, it } from "mocha";
import { FailoverProvider, readRpcUrls } from "../../../../sdk/rpc/FailoverProvider.ts";
import { readNodeError } from "../../../../sdk/rpc/nodeErrors.ts";
import { makeCertificate } from "../../../helpers/certificate.ts";

type Answer =
  | { status: number; body: string; headers?: Record<string, string> }
  | "hang up"
  | "drip"
  | "silent"
  | "endless";

/** An endpoint that gives the same answer to everything, and records its requests. */
class Endpoint {
  readonly asked: string[] = [];
  /** Open connections. */
  readonly connections = new Set<Socket>();
  answer: Answer;
  readonly #server: Server;

  private constructor(server: Server, answer: Answer) {
    this.#server = server;
    this.answer = answer;
  }

  static async start(answer: Answer): Promise<Endpoint> {
    const server = createServer();
    const endpoint = new Endpoint(server, answer);
    server.on("request", async (request, response) => {
      let text = "";
      for await (const piece of request) text += piece;
      const { id, method } = JSON.parse(text);
      endpoint.asked.push(method);
      if (typeof endpoint.answer === "string") return misbehave(endpoint.answer, response);
      const { status, body, headers } = endpoint.answer;
      response.writeHead(status, headers).end(body.replace("ID", id));
    });
    server.on("connection", (socket) => {
      endpoint.connections.add(socket);
      socket.once("close", () => endpoint.connections.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return endpoint;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const MEGABYTE = Buffer.alloc(2 ** 20, " ");

/** An endless, invalid answer. */
function misbehave(how: "hang up" | "drip" | "silent" | "endless", response: ServerResponse): void {
  if (how === "hang up") return void response.destroy();
  if (how === "silent") return;
  response.writeHead(200, { "content-type": "application/json" });
  if (how === "drip") {
    const timer = setInterval(() => response.write(" "), 200);
    response.once("close", () => clearInterval(timer));
    return;
  }
  const pour = () => {
    while (!response.destroyed && response.write(MEGABYTE)) {
      // until it is full
    }
    response.once("drain", pour);
  };
  pour();
}

const says = (result: string): Answer => ({
  status: 200,
  body: `{"jsonrpc":"2.0","id":ID,"result":"${result}"}`,
});
const REFUSES = {
  status: 200,
  body: '{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"nonce too low"}}',
};

describe("several RPC endpoints of one chain", () => {
  const opened: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close();
  });

  async function start(answer: Answer): Promise<Endpoint> {
    const endpoint = await Endpoint.start(answer);
    opened.push(endpoint);
    return endpoint;
  }

  function connect(...urls: string[]): FailoverProvider {
    const provider = new FailoverProvider(urls, 31337, { cacheTimeout: -1, batchMaxCount: 1 });
    opened.unshift({ close: () => provider.destroy() });
    return provider;
  }

  const failures: [string, Answer][] = [
    ["hangs up", "hang up"],
    ["is broken", { status: 502, body: "<html>bad gateway</html>" }],
    ["stammers", { status: 200, body: '{"jsonrpc":"2.0",' }],
    ["has had enough", { status: 429, body: "slow down" }],
  ];
  for (const [what, answer] of failures) {
    it(`asks the next if one ${what}, and stays there`, async () => {
      const [first, second] = [await start(answer), await start(says("0x5"))];
      const provider = connect(first.url, second.url);
      expect(await provider.send("eth_blockNumber", [])).to.equal("0x5");
      const asked = first.asked.length;
      expect(await provider.send("eth_blockNumber", [])).to.equal("0x5");
      expect(first.asked).to.have.length(asked);
      expect(second.asked).to.have.length(2);
    });
  }

  it("asks the next if nobody listens", async () => {
    const [gone, second] = [await Endpoint.start("hang up"), await start(says("0x5"))];
    const { url } = gone;
    await gone.close();
    expect(await connect(url, second.url).send("eth_blockNumber", [])).to.equal("0x5");
  });

  it("fails if all fail, and asks each once", async () => {
    const [first, second] = [await start("hang up"), await start("hang up")];
    const error = await connect(first.url, second.url)
      .send("eth_blockNumber", [])
      .then(
        () => null,
        (failure: Error) => failure,
      );
    expect(error).to.be.an("error");
    expect([first.asked.length, second.asked.length]).to.deep.equal([1, 1]);
  });

  it("accepts an error of the chain as an answer", async () => {
    const [first, second] = [await start(REFUSES), await start(says("0x5"))];
    const error = await connect(first.url, second.url)
      .send("eth_blockNumber", [])
      .then(
        () => null,
        (failure: Error) => failure,
      );
    expect(error?.message).to.include("nonce too low");
    expect(second.asked).to.deep.equal([]);
  });

  it("sends no transaction twice, and continues with the next endpoint", async () => {
    const [first, second] = [await start("hang up"), await start(says("0x5"))];
    const provider = connect(first.url, second.url);
    const error = await provider.send("eth_sendRawTransaction", ["0x01"]).then(
      () => null,
      (failure: Error) => failure,
    );
    expect(error).to.be.an("error");
    expect(second.asked).to.deep.equal([]);
    expect(await provider.send("eth_blockNumber", [])).to.equal("0x5");
  });

  it("leaves an endpoint that was reported as wrong", async () => {
    const [first, second] = [await start(says("0x1")), await start(says("0x2"))];
    const provider = connect(first.url, second.url);
    expect(await provider.send("eth_blockNumber", [])).to.equal("0x1");
    provider.switchEndpoint();
    expect(await provider.send("eth_blockNumber", [])).to.equal("0x2");
    provider.switchEndpoint();
    expect(await provider.send("eth_blockNumber", [])).to.equal("0x1");
  });

  for (const how of ["drip", "silent", "endless"] as const) {
    it(`has an answer within seconds if the first endpoint is ${how}, and leaves no connection`, async () => {
      const [first, second] = [await start(how), await start(says("0x5"))];
      const provider = connect(first.url, second.url);
      const begun = performance.now();
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => provider.send("eth_blockNumber", [])),
      );
      expect(answers).to.deep.equal(Array(10).fill("0x5"));
      expect(performance.now() - begun).to.be.lessThan(15_000);
      const asked = first.asked.length;
      for (let more = 0; more < 5; more++) await provider.send("eth_blockNumber", []);
      expect(first.asked).to.have.length(asked);
      await until(() => first.connections.size === 0);
      provider.destroy();
      await until(() => second.connections.size === 0);
    });
  }

  it("gives up on a slow-dripping endpoint that is alone, and uses it again after it has recovered", async () => {
    const only = await start("drip");
    const provider = connect(only.url);
    const error = await failure(provider.send("eth_blockNumber", []));
    expect(readNodeError(error)?.kind).to.equal("silent");
    only.answer = says("0x7");
    expect(await provider.send("eth_blockNumber", [])).to.equal("0x7");
    expect(only.connections.size).to.be.at.most(1);
  });

  it("ends pending requests when it is closed", async () => {
    const only = await start("silent");
    const provider = connect(only.url);
    const asking = failure(provider.send("eth_blockNumber", []));
    await until(() => only.asked.length > 0);
    provider.destroy();
    expect(await asking).to.be.an("error");
    await until(() => only.connections.size === 0);
  });

  it("waits for as many seconds as an endpoint requests, and then has its answer", async () => {
    const only = await start({
      ...REFUSES,
      status: 429,
      headers: { "retry-after": "1" },
      body: "",
    });
    const begun = performance.now();
    const asking = connect(only.url).send("eth_blockNumber", []);
    await until(() => only.asked.length > 0);
    only.answer = says("0x5");
    expect(await asking).to.equal("0x5");
    expect(performance.now() - begun).to.be.greaterThan(990);
  });

  it("reads the error in an answer with HTTP status 400", async () => {
    const only = await start({ ...REFUSES, status: 400, body: REFUSES.body.replace("ID", "null") });
    const error = await failure(connect(only.url).send("eth_blockNumber", []));
    expect(readNodeError(error)?.kind).to.equal("nonce-too-low");
    expect(only.asked).to.have.length(1);
  });

  it("asks the next if one is over its limit, in an answer with HTTP status 200", async () => {
    const limited = '{"jsonrpc":"2.0","id":ID,"error":{"code":-32016,"message":"over rate limit"}}';
    const [first, second] = [await start({ status: 200, body: limited }), await start(says("0x5"))];
    expect(await connect(first.url, second.url).send("eth_blockNumber", [])).to.equal("0x5");
  });

  it("does not alternate between a dead endpoint and a lagging one", async () => {
    const [dead, late, good] = [
      await start("hang up"),
      await start(says("0x1")),
      await start(says("0x5")),
    ];
    const provider = connect(dead.url, late.url, good.url);
    expect(await provider.send("eth_blockNumber", [])).to.equal("0x1");
    provider.switchEndpoint();
    for (let more = 0; more < 5; more++)
      expect(await provider.send("eth_blockNumber", [])).to.equal("0x5");
    expect([dead.asked.length, late.asked.length]).to.deep.equal([1, 1]);
  });

  it("recognizes an untrusted certificate, and an endpoint of the other protocol", async () => {
    const folder = await mkdtemp(join(tmpdir(), "anneal-endpoint-"));
    const secure = createSecureServer(makeCertificate(folder, "localhost"));
    await new Promise<void>((resolve) => secure.listen(0, "127.0.0.1", resolve));
    opened.push(secure, { close: () => rm(folder, { recursive: true }) });
    const { port } = secure.address() as AddressInfo;
    const plain = await start(says("0x5"));
    const rows = [
      [`https://localhost:${port}`, "certificate"],
      [plain.url.replace("http:", "https:"), "wrong-protocol"],
    ] as const;
    for (const [url, kind] of rows) {
      const found = readNodeError(await failure(connect(url).send("eth_blockNumber", [])));
      expect(found?.kind, url).to.equal(kind);
      expect(found?.message).to.include(url);
    }
  });

  it("asks the one that answers first although it, too, has failed once", async () => {
    const [dead, second] = [await start("hang up"), await start("hang up")];
    const provider = connect(dead.url, second.url);
    expect(await failure(provider.send("eth_blockNumber", []))).to.be.an("error");
    second.answer = says("0x5");
    for (let more = 0; more < 5; more++)
      expect(await provider.send("eth_blockNumber", [])).to.equal("0x5");
    expect(dead.asked).to.have.length(2);
  });

  it("stays with an endpoint that lacks one method or one old block", async () => {
    const lacks = '{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"missing trie node"}}';
    const [first, second] = [await start({ status: 200, body: lacks }), await start(says("0x5"))];
    const provider = connect(first.url, second.url);
    expect(await provider.send("eth_call", [])).to.equal("0x5");
    first.answer = says("0x1");
    expect(await provider.send("eth_blockNumber", [])).to.equal("0x1");
  });

  it("accepts only HTTP URLs", () => {
    expect(readRpcUrls("http://a:1, https://b/x")).to.deep.equal(["http://a:1", "https://b/x"]);
    for (const text of ["", "localhost:8545", "127.0.0.1:8545", "http://a,ftp://b"])
      expect(() => readRpcUrls(text), text).to.throw("starts with http:// or https://");
    expect(() => readRpcUrls("wss://host/key")).to.throw("websocket");
  });
});

async function failure(asking: Promise<unknown>): Promise<unknown> {
  return asking.then(
    () => null,
    (error: unknown) => error,
  );
}

async function until(isSo: () => boolean): Promise<void> {
  for (let look = 0; look < 1_000; look++) {
    if (isSo()) return;
    await wait(20);
  }
  throw new Error("It did not come about.");
}
