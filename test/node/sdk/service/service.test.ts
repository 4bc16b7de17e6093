import { expect } from "chai";
import { id as keccakOfText } from "ethers";
import { after, before, beforeEach, describe, it } from "mocha";
import { openAccount } from "../../../../sdk/account/calls.ts";
import { getSubAccount } from "../../../../sdk/account/getSubAccount.ts";
import { registerService, removeService, updateService } from "../../../../sdk/service/calls.ts";
import { getService } from "../../../../sdk/service/getService.ts";
import { listServices } from "../../../../sdk/service/listServices.ts";
import type { ServiceTerms } from "../../../../sdk/service/Service.ts";
import { send } from "../../../../sdk/transaction/send.ts";
import { MarketFixture } from "../../../helpers/MarketFixture.ts";
import { rejection } from "../../../helpers/rejection.ts";

const OG = 10n ** 18n;

describe("sdk/service on chain", () => {
  let market: MarketFixture;
  let fresh: string;
  before(async () => {
    market = await MarketFixture.open();
    fresh = await market.chain.snapshot();
  });
  beforeEach(async () => {
    await market.chain.revert(fresh);
    fresh = await market.chain.snapshot();
  });
  after(() => market.close());

  const update = (terms: Partial<ServiceTerms>) => {
    const { provider } = market;
    return send(provider, updateService(provider, { terms: { ...market.terms, ...terms } }));
  };

  it("reads back what was registered, with the stake in place", async () => {
    const { provider, reader, terms, chain } = market;
    const { minimumStake } = chain.parameters;
    expect(await getService(reader, { provider: provider.address })).to.deep.equal({
      ...terms,
      provider: provider.address,
      stake: minimumStake,
      offer: 1,
      counters: {
        ...{ open: 0, confirmed: 0, finalized: 0, lapsed: 0 },
        ...{ refused: 0, failed: 0, expired: 0, slashed: 0 },
      },
      earned: 0n,
      failedAt: 0,
    });
    const self = { account: provider.address, provider: provider.address };
    expect((await getSubAccount(reader, self)).reserved).to.equal(minimumStake);
  });

  it("updates the terms", async () => {
    const terms: ServiceTerms = {
      ...market.terms,
      pricePerUnit: 2n ** 96n - 1n,
      unit: "token",
      accepting: false,
      url: "https://provider.example/api",
      catalogueHash: keccakOfText("another"),
    };
    await update(terms);
    const { provider } = market;
    expect(await getService(market.reader, { provider: provider.address })).to.deep.include(terms);
  });

  it("lists all services except removed ones", async () => {
    const { stranger, provider, reader, terms } = market;
    await send(stranger, openAccount(stranger, { amount: OG, allowance: OG }));
    await send(stranger, registerService(stranger, { terms }));
    const both = await listServices(reader);
    expect(both.map((service) => service.provider)).to.deep.equal([
      provider.address,
      stranger.address,
    ]);
    await send(provider, removeService(provider));
    const rest = await listServices(reader);
    expect(rest.map((service) => service.provider)).to.deep.equal([stranger.address]);
  });

  it("lists the other providers if one has a URL that is not text", async () => {
    const { provider, reader, terms } = market;
    const call = updateService(provider, { terms: { ...terms, url: "https://é" } });
    await send(provider, { ...call, data: call.data.replace("c3a9", "c328") });
    const services = await listServices(reader);
    expect(services.map(({ url }) => url)).to.deep.equal([""]);
    expect((await getService(reader, { provider: provider.address })).url).to.equal("");
  });

  it("reports an address that is not a provider", async () => {
    const { reader, stranger } = market;
    const error = await rejection(getService(reader, { provider: stranger.address }));
    expect(error.code).to.equal("not-found");
    expect(error.message).to.equal(`${stranger.address} is not a registered provider.`);
    expect(error.hint).to.equal("Choose a registered provider.");
    expect(error.next).to.deep.equal({ verb: "listServices" });
  });

  it("refuses terms that the contract does not allow, and names the field", async () => {
    const error = await rejection(update({ bondBps: 9_999 }));
    expect(error.code).to.equal("usage");
    expect(error.message).to.contain("bondBps");
  });

  it("refuses to remove a provider with open tasks", async () => {
    await market.order();
    const error = await rejection(send(market.provider, removeService(market.provider)));
    expect(error.code).to.equal("declined");
    expect(error.message).to.contain("open tasks: 1");
  });
});
