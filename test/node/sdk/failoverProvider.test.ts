import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { afterEach, describe, it } from "mocha";
import { FailoverProvider } from "../../../sdk/FailoverProvider.ts";

type Answer = { status: number; body: string } | "hang up";

/** An endpoint that gives the same answer to everything, and notes what it was asked. */
class Endpoint {
  readonly asked: string[] = [];
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
      if (endpoint.answer === "hang up") return response.destroy();
      response.writeHead(endpoint.answer.status).end(endpoint.answer.body.replace("ID", id));
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

const says = (result: string): Answer => ({
  status: 200,
  body: `{"jsonrpc":"2.0","id":ID,"result":"${result}"}`,
});
const REFUSES: Answer = {
  status: 200,
  body: '{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"nonce too low"}}',
};

describe("several endpoints of one chain", () => {
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
    it(`asks the next where one ${what}, and stays there`, async () => {
      const [first, second] = [await start(answer), await start(says("0x5"))];
      const provider = connect(first.url, second.url);
      expect(await provider.send("eth_blockNumber", [])).to.equal("0x5");
      const asked = first.asked.length;
      expect(await provider.send("eth_blockNumber", [])).to.equal("0x5");
      expect(first.asked).to.have.length(asked);
      expect(second.asked).to.have.length(2);
    });
  }

  it("asks the next where nobody listens", async () => {
    const [gone, second] = [await Endpoint.start("hang up"), await start(says("0x5"))];
    const { url } = gone;
    await gone.close();
    expect(await connect(url, second.url).send("eth_blockNumber", [])).to.equal("0x5");
  });

  it("fails where all fail, and asks each once", async () => {
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

  it("takes an error of the chain for an answer", async () => {
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

  it("sends no transaction twice, and goes on with the next endpoint", async () => {
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

  it("leaves an endpoint that somebody found wrong", async () => {
    const [first, second] = [await start(says("0x1")), await start(says("0x2"))];
    const provider = connect(first.url, second.url);
    expect(await provider.send("eth_blockNumber", [])).to.equal("0x1");
    provider.switchEndpoint();
    expect(await provider.send("eth_blockNumber", [])).to.equal("0x2");
    provider.switchEndpoint();
    expect(await provider.send("eth_blockNumber", [])).to.equal("0x1");
  });
});
