import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { keccak256 } from "ethers";
import { after, before, beforeEach, describe, it } from "mocha";
import { deposit } from "../../../../sdk/account/calls.ts";
import { type Client, createClient } from "../../../../sdk/client.ts";
import { send } from "../../../../sdk/transaction/send.ts";
import { MarketFixture } from "../../../helpers/MarketFixture.ts";
import { rejection } from "../../../helpers/rejection.ts";

/** The endpoint's answer to a request in place of the node's; null forwards it. */
type Spoil = (
  method: string,
  pass: () => Promise<string>,
  response: ServerResponse,
) => Promise<string | null>;

describe("sending through an endpoint that loses answers", () => {
  let market: MarketFixture;
  let server: Server;
  let client: Client;
  let spoil: Spoil;
  /** Raw transactions in order of arrival. */
  const offered: string[] = [];
  let fresh: string;

  before(async () => {
    market = await MarketFixture.open();
    fresh = await market.chain.snapshot();
    server = createServer(async (request, response) => {
      const body = Buffer.concat(await request.toArray()).toString();
      const { id, method, params } = JSON.parse(body);
      if (method === "eth_sendRawTransaction") offered.push(params[0]);
      const headers = { "content-type": "application/json" };
      const pass = async () =>
        (await fetch(market.chain.rpcUrl, { method: "POST", body, headers })).text();
      const answer = (await spoil(method, pass, response)) ?? (await pass());
      if (!response.destroyed && !response.writableEnded) response.end(answer.replace("ID", id));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    client = createClient({
      rpcUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      deployment: market.chain.deployment,
      storageUrl: "http://127.0.0.1:1",
      privateKey: market.chain.accounts[2]!.privateKey,
      pollingInterval: 10,
    });
  });
  beforeEach(async () => {
    await market.chain.revert(fresh);
    fresh = await market.chain.snapshot();
    offered.length = 0;
    spoil = async () => null;
  });
  after(async () => {
    client.provider.destroy();
    server.closeAllConnections();
    server.close();
    await market.close();
  });

  const one = () => deposit(client, { amount: 1n });
  const refuses = (message: string) =>
    `{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"${message}"}}`;

  it("reports the hash before anything is sent", async () => {
    let told: string | undefined;
    const receipt = await send(client, one(), {
      onSigned: (hash) => {
        expect(offered).to.deep.equal([]);
        told = hash;
      },
    });
    expect(told).to.equal(receipt.hash);
    expect(keccak256(offered[0]!)).to.equal(told);
  });

  it("finds the transaction whose answer was lost, and sends no second one", async () => {
    spoil = async (method, pass, response) => {
      if (method !== "eth_sendRawTransaction" || offered.length > 1) return null;
      const answer = await pass();
      response.destroy();
      return answer;
    };
    const receipt = await send(client, one());
    expect(receipt.status).to.equal(1);
    expect(new Set(offered).size).to.equal(1);
  });

  it("sends the same transaction again if the first request was lost", async () => {
    spoil = async (method, _pass, response) => {
      if (method !== "eth_sendRawTransaction" || offered.length > 1) return null;
      response.destroy();
      return "";
    };
    const receipt = await send(client, one());
    expect(receipt.status).to.equal(1);
    expect(offered).to.have.length(2);
    expect(offered[0]).to.equal(offered[1]);
  });

  it("polls for the receipt until the endpoint is back", async () => {
    let refused = 0;
    spoil = async (method, _pass, response) => {
      if (method !== "eth_getTransactionReceipt" || ++refused > 2) return null;
      response.writeHead(503);
      return "<html>sorry</html>";
    };
    expect((await send(client, one())).status).to.equal(1);
    expect(refused).to.be.greaterThan(2);
  });

  it("gives the hash and says that it may still be mined, if the outcome remains unknown", async () => {
    let told = "";
    spoil = async (method, _pass, response) => {
      if (!/Raw|Receipt/.test(method)) return null;
      response.destroy();
      return "";
    };
    const onSigned = (hash: string) => {
      told = hash;
    };
    const error = await rejection(send(client, one(), { onSigned, timeout: 3_000 }));
    expect(error.code).to.equal("timed-out");
    expect(error.message).to.include(told);
    expect(error.hint).to.include("may still get in");
    expect(new Set(offered).size).to.equal(1);
  });

  it("waits for space in the node's pool", async () => {
    spoil = async (method) =>
      method === "eth_sendRawTransaction" && offered.length < 2 ? refuses("txpool is full") : null;
    expect((await send(client, one())).status).to.equal(1);
    expect(offered).to.have.length(2);
  });

  it("says why a node rejects the transaction, in its own sentence", async () => {
    const refusals = {
      "transaction underpriced: gas tip cap 1, minimum needed 2": "its gas price is too low",
      "exceeds block gas limit": "because of the amount of gas",
      "insufficient funds for gas * price + value": "OG, too little for the amount and the gas",
      "tx fee (9.00 ether) exceeds the configured cap (1.00 ether)": "its fee is above",
    };
    for (const [words, sentence] of Object.entries(refusals)) {
      spoil = async (method) => (method === "eth_sendRawTransaction" ? refuses(words) : null);
      const error = await rejection(send(client, one()));
      expect(error.message).to.include(sentence);
      expect(error.message).not.to.match(/0x[0-9a-f]{64}/);
    }
  });
});
