import { expect } from "chai";
import { keccak256, toUtf8Bytes, Wallet } from "ethers";
import { after, before, beforeEach, describe, it } from "mocha";
import { updateService } from "../../../../sdk/service/calls.ts";
import { signChallenge } from "../../../../sdk/service/challenge.ts";
import { fetchQueue } from "../../../../sdk/service/fetchQueue.ts";
import { getService } from "../../../../sdk/service/getService.ts";
import { CHALLENGE, signingDomain } from "../../../../sdk/service/typedData.ts";
import { verifyProvider } from "../../../../sdk/service/verifyProvider.ts";
import { send } from "../../../../sdk/transaction/send.ts";
import { type FakeProviderApi, startFakeProviderApi } from "../../../helpers/fakeProviderApi.ts";
import { MarketFixture, MODEL } from "../../../helpers/MarketFixture.ts";
import { rejection } from "../../../helpers/rejection.ts";

// Spaces that JSON.stringify would not write: the hash is over the bytes, not over the JSON value.
const CATALOGUE = `{ "models": [ ${JSON.stringify(MODEL)} ] }\n`;

describe("sdk/service verifyProvider", () => {
  let market: MarketFixture;
  let api: FakeProviderApi;
  before(async () => {
    api = await startFakeProviderApi();
    market = await MarketFixture.open({
      url: `${api.url}/`,
      catalogueHash: keccak256(toUtf8Bytes(CATALOGUE)),
    });
  });
  beforeEach(() => {
    api.routes["/v1/models"] = () => CATALOGUE;
    api.routes["/v1/queue"] = () => ({ slots: 1, running: 1, waiting: 2 });
    api.routes["/v1/challenge"] = (_request, _response, url) =>
      signChallenge(market.provider, { nonce: url.searchParams.get("nonce")! });
  });
  after(async () => {
    await market.close();
    await api.close();
  });

  const verify = () => verifyProvider(market.reader, { provider: market.provider.address });

  it("accepts a provider that matches the chain", async () => {
    const verified = await verify();
    expect(verified.service.provider).to.equal(market.provider.address);
    expect(verified.catalogue).to.deep.equal({ models: [MODEL] });
    expect(verified.queue).to.deep.equal({
      accepting: true,
      slots: 1,
      device: null,
      running: 1,
      waiting: 2,
      waitSeconds: null,
    });
  });

  it("refuses a loopback address on a public network, before any request to it", async () => {
    const reader = { ...market.reader, chainId: 16602 };
    api.routes["/v1/challenge"] = () => expect.fail("the address was asked");
    const { provider } = market;
    const error = await rejection(verifyProvider(reader, { provider: provider.address }));
    expect(error.code).to.equal("declined");
    expect(error.message).to.contain("cannot be reached from outside its own network");
  });

  it("refuses a provider that accepts no tasks, before money moves", async () => {
    api.routes["/v1/queue"] = () => ({ accepting: false, slots: 1, running: 0, waiting: 0 });
    const error = await rejection(verify());
    expect(error.code).to.equal("declined");
    expect(error.message).to.contain("accepts no new tasks");
  });

  it("uses a new challenge each time", async () => {
    const seen = new Set<string>();
    const honest = api.routes["/v1/challenge"]!;
    api.routes["/v1/challenge"] = (request, response, url) => {
      seen.add(url.searchParams.get("nonce")!);
      return honest(request, response, url);
    };
    await verify();
    await verify();
    expect(seen.size).to.equal(2);
  });

  it("refuses an address that is not registered", async () => {
    const { reader, stranger } = market;
    const error = await rejection(verifyProvider(reader, { provider: stranger.address }));
    expect(error.code).to.equal("not-found");
  });

  it("refuses an endpoint that signs with another key, whatever address it claims", async () => {
    api.routes["/v1/challenge"] = async (_request, _response, url) => {
      const { signature } = await signChallenge(market.stranger, {
        nonce: url.searchParams.get("nonce")!,
      });
      return { operator: market.provider.address, signature };
    };
    const error = await rejection(verify());
    expect(error.code).to.equal("integrity");
    expect(error.exitCode).to.equal(10);
    expect(error.message).to.contain("does not hold the key");
    expect(error.next).to.deep.equal({ verb: "listServices" });
  });

  it("accepts the registered operator's signature, and no longer the provider's own", async () => {
    const { provider, terms, stranger: operator } = market;
    const fresh = await market.chain.snapshot();
    try {
      const changed = { ...terms, operator: operator.address };
      await send(provider, updateService(provider, { terms: changed }));
      const { code, message } = await rejection(verify());
      expect(code).to.equal("integrity");
      expect(message).to.include(operator.address).and.include(provider.address);
      api.routes["/v1/challenge"] = (_request, _response, url) =>
        signChallenge(operator, { nonce: url.searchParams.get("nonce")! });
      expect((await verify()).service.operator).to.equal(operator.address);
    } finally {
      await market.chain.revert(fresh);
    }
  });

  it("refuses a signature replayed from an earlier challenge", async () => {
    const old = await signChallenge(market.provider, { nonce: `0x${"11".repeat(32)}` });
    api.routes["/v1/challenge"] = () => old;
    expect((await rejection(verify())).code).to.equal("integrity");
  });

  it("refuses a signature made for another chain or contract", async () => {
    const wallet = new Wallet(market.chain.accounts[1]!.privateKey);
    for (const elsewhere of [{ chainId: 1 }, { servingAddress: market.stranger.address }]) {
      api.routes["/v1/challenge"] = async (_request, _response, url) => ({
        operator: wallet.address,
        signature: await wallet.signTypedData(
          signingDomain({ ...market.reader, ...elsewhere }),
          CHALLENGE,
          { nonce: url.searchParams.get("nonce") },
        ),
      });
      expect((await rejection(verify())).code).to.equal("integrity");
    }
  });

  it("refuses a catalogue that is not the registered one, down to a space", async () => {
    api.routes["/v1/models"] = () => JSON.stringify({ models: [MODEL] });
    const error = await rejection(verify());
    expect(error.code).to.equal("integrity");
    expect(error.message).to.contain("a different catalogue");
  });

  it("names the address of a provider that does not answer", async () => {
    const { provider, terms } = market;
    const fresh = await market.chain.snapshot();
    try {
      const dead = { ...terms, url: "http://127.0.0.1:9" };
      await send(provider, updateService(provider, { terms: dead }));
      const error = await rejection(verify());
      expect(error.code).to.equal("network");
      expect(error.exitCode).to.equal(9);
      expect(error.message).to.equal(
        `Provider ${provider.address} does not answer at http://127.0.0.1:9.`,
      );
    } finally {
      await market.chain.revert(fresh);
    }
  });

  it("refuses answers that do not match the API", async () => {
    const answers = [
      "not JSON",
      { operator: market.provider.address },
      { operator: market.provider.address, signature: "0x12" },
      [],
    ];
    for (const answer of answers) {
      api.routes["/v1/challenge"] = () => answer;
      const error = await rejection(verify());
      expect(error.code).to.equal("network");
      expect(error.message).to.contain("answers wrongly");
    }
  });

  it("does not follow a redirect", async () => {
    api.routes["/v1/challenge"] = (_request, response) => {
      response.writeHead(302, { location: "/v1/elsewhere" }).end();
    };
    api.routes["/v1/elsewhere"] = () => {
      throw new Error("followed");
    };
    expect((await rejection(verify())).code).to.equal("network");
  });

  it("stops reading an endless answer", async () => {
    api.routes["/v1/queue"] = (_request, response) => {
      const more = () => {
        while (response.write("x".repeat(65_536)) && !response.destroyed);
      };
      response.on("drain", more);
      more();
    };
    const error = await rejection(verify());
    expect(error.code).to.equal("network");
    expect(error.message).to.contain("exceeds");
  });

  it("passes on a provider's message, without terminal control characters", async () => {
    api.routes["/v1/queue"] = (_request, response) => {
      response.statusCode = 503;
      return {
        code: "integrity",
        message: "busy\u001b[2J\r\nfine",
        hint: "Come back\u0007 later.",
      };
    };
    const error = await rejection(verify());
    expect(error.code).to.equal("network"); // not the code that the provider sent
    expect(error.message).to.equal(`Provider ${market.provider.address} says: busy [2J fine`);
    expect(error.hint).to.equal("Come back  later.");
    expect(error.next).to.equal(undefined);
  });

  it("ends with the caller's reason if it is aborted", async () => {
    const stop = new AbortController();
    api.routes["/v1/challenge"] = () => {
      stop.abort(new Error("enough"));
    };
    const { provider } = market;
    let reason: unknown;
    await verifyProvider(market.reader, { provider: provider.address, signal: stop.signal }).catch(
      (error) => {
        reason = error;
      },
    );
    expect(reason).to.equal(stop.signal.reason);
  });

  it("refuses a registered URL that is not http", async () => {
    const service = await getService(market.reader, { provider: market.provider.address });
    for (const url of ["file:///etc/passwd", "not a url", "javascript:alert(1)", ""]) {
      const error = await rejection(fetchQueue({ ...service, url }));
      expect(error.message).to.contain("not an http URL");
    }
  });
});
