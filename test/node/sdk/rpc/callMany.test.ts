import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import type { Client } from "../../../../sdk/client.ts";
import { decodeViews } from "../../../../sdk/rpc/callMany.ts";
import { getService } from "../../../../sdk/service/getService.ts";
import { checkNetwork } from "../../../../sdk/transaction/checkNetwork.ts";
import { CountingEndpoint } from "../../../helpers/CountingEndpoint.ts";
import { MarketFixture } from "../../../helpers/MarketFixture.ts";
import { rejection } from "../../../helpers/rejection.ts";

describe("views that are read at the same time", () => {
  let market: MarketFixture;
  let endpoint: CountingEndpoint;
  let reader: Client;

  before(async () => {
    market = await MarketFixture.open();
    endpoint = await CountingEndpoint.start(market.chain.rpcUrl);
    reader = market.through(endpoint.url);
  });
  after(async () => {
    await endpoint.close();
    await market.close();
  });

  const requestsOf = async (work: () => Promise<unknown>) => (await endpoint.count(work)).requests;
  const service = () => getService(reader, { provider: market.provider.address });
  const unknown = () => getService(reader, { provider: market.stranger.address });

  it("are one request, with the results of each", async () => {
    const { ledger, serving } = market.reader;
    const requests = await requestsOf(async () => {
      const [account, minimum, offered] = await Promise.all([
        reader.ledger.accountOf(market.user.address),
        reader.serving.minimumStake(),
        service(),
      ]);
      expect(account).to.deep.equal(await ledger.accountOf(market.user.address));
      expect(minimum).to.equal(await serving.minimumStake());
      expect(offered.provider).to.equal(market.provider.address);
    });
    expect(requests).to.equal(1);
  });

  it("are of one block, and not mixed with those of another", async () => {
    const requests = await requestsOf(() =>
      Promise.all([
        reader.serving.minimumStake({ blockTag: 2 }),
        reader.serving.ackPeriod({ blockTag: 2 }),
        reader.serving.minimumStake(),
        reader.serving.ackPeriod(),
      ]),
    );
    expect(requests).to.equal(2);
  });

  it("fail for themselves, with the reason, and not for the others", async () => {
    const [good, bad] = await Promise.all([service(), rejection(unknown())]);
    expect(good.provider).to.equal(market.provider.address);
    expect(bad.code).to.equal("not-found");
    expect(await requestsOf(() => Promise.all([service(), rejection(unknown())]))).to.equal(2);
  });

  it("are read one by one if together they are too much for a node", async () => {
    const many = () => Promise.all(Array.from({ length: 40 }, service));
    expect((await many()).every(({ offer }) => offer === 1)).to.equal(true);
    expect(await requestsOf(many)).to.equal(41);
  });

  it("are split if they are many", async () => {
    const stakes = () =>
      Promise.all(Array.from({ length: 90 }, () => reader.serving.minimumStake()));
    expect(new Set(await stakes()).size).to.equal(1);
    expect(await requestsOf(stakes)).to.equal(3);
  });

  it("include the check of the network, before which nobody gets an answer", async () => {
    const guarded = market.through(endpoint.url);
    guarded.provider.guard((ask) => checkNetwork(guarded, ask));
    expect(await requestsOf(() => guarded.serving.minimumStake())).to.equal(1);
    expect(await requestsOf(() => guarded.provider.getBlock("latest"))).to.equal(1);
    const elsewhere = { ...guarded, chainId: 1 };
    const error = await rejection(checkNetwork(elsewhere));
    expect(error.message).to.contain("serves chain 31337");
  });

  it("have no result while the check fails, which is repeated with the next", async () => {
    const guarded = market.through(market.chain.rpcUrl);
    let failure: Error | null = new Error("the wrong chain");
    guarded.provider.guard(async () => {
      if (failure) throw failure;
    });
    for (const read of [
      () => guarded.serving.minimumStake(),
      () => guarded.provider.getBlockNumber(),
      () => guarded.provider.getBlock("latest"),
    ])
      expect(await read().catch((error: Error) => error.message)).to.equal("the wrong chain");
    failure = null;
    expect(await guarded.serving.minimumStake()).to.equal(
      await market.reader.serving.minimumStake(),
    );
  });

  it("have no result if the answer is damaged", () => {
    const word = (value: number) => value.toString(16).padStart(64, "0");
    const whole = `0x${word(1)}${word(1)}aa${word(0)}${word(0)}`;
    expect(decodeViews(whole, 2)).to.deep.equal(["0xaa", null]);
    for (const answer of [
      null,
      "0x",
      "nonsense",
      `${whole}00`,
      whole.slice(0, -2),
      `0x${word(1)}${word(99)}aa`,
    ])
      expect(decodeViews(answer, 2)).to.deep.equal([null, null]);
  });
});
