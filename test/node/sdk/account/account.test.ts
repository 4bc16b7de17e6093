import { expect } from "chai";
import { getAddress, hexlify, randomBytes } from "ethers";
import { after, before, beforeEach, describe, it } from "mocha";
import {
  authorize,
  claimReturn,
  deposit,
  fund,
  openAccount,
  requestReturn,
  retrieve,
  withdraw,
} from "../../../../sdk/account/calls.ts";
import { getAccount } from "../../../../sdk/account/getAccount.ts";
import { getSubAccount } from "../../../../sdk/account/getSubAccount.ts";
import { listSubAccounts } from "../../../../sdk/account/listSubAccounts.ts";
import { prepareFunds } from "../../../../sdk/account/prepareFunds.ts";
import type { Call } from "../../../../sdk/transaction/Call.ts";
import { send } from "../../../../sdk/transaction/send.ts";
import { MarketFixture } from "../../../helpers/MarketFixture.ts";
import { rejection } from "../../../helpers/rejection.ts";

const OG = 10n ** 18n;

describe("sdk/account", () => {
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

  const asUser = (build: (user: MarketFixture["user"]) => Call) =>
    send(market.user, build(market.user));
  const account = (of = market.user) => getAccount(market.reader, { account: of.address });
  const subAccount = () =>
    getSubAccount(market.reader, {
      account: market.user.address,
      provider: market.provider.address,
    });

  it("opens an account with the deposit available", async () => {
    const { stranger } = market;
    await send(stranger, openAccount(stranger, { amount: 3n, allowance: 2n }));
    const { account: _, ...read } = await account(stranger);
    expect(read).to.deep.equal({
      available: 3n,
      locked: 0n,
      total: 3n,
      allowance: 2n,
      subAccounts: [],
    });
  });

  it("reads an account that was never opened as zeros", async () => {
    expect(await account(market.stranger)).to.deep.equal({
      account: market.stranger.address,
      available: 0n,
      locked: 0n,
      total: 0n,
      allowance: 0n,
      subAccounts: [],
    });
  });

  it("adds deposits", async () => {
    await asUser((user) => deposit(user, { amount: 5n }));
    expect((await account()).available).to.equal(OG + 5n);
  });

  it("pays withdrawals to the wallet, minus the gas", async () => {
    const { user } = market;
    const before = await user.provider.getBalance(user.address);
    const receipt = await asUser((user) => withdraw(user, { amount: OG / 2n }));
    const after = await user.provider.getBalance(user.address);
    expect(after).to.equal(before + OG / 2n - receipt.fee);
    expect((await account()).available).to.equal(OG / 2n);
  });

  it("reports how much is missing if more is withdrawn than available", async () => {
    const error = await rejection(asUser((user) => withdraw(user, { amount: OG + OG / 4n })));
    expect(error.code).to.equal("insufficient-funds");
    expect(error.exitCode).to.equal(4);
    expect(error.message).to.equal("The account has 1 OG available and 1.25 OG are needed.");
    expect(error.hint).to.equal("Add funds.");
    expect(error.next).to.deep.equal({ verb: "deposit", parameters: { amount: OG / 4n } });
  });

  it("moves money into a sub-account, where it is free and locked", async () => {
    await asUser((user) => fund(user, { provider: market.provider.address, amount: 10n }));
    const { available, locked, total, subAccounts } = await account();
    expect({ available, locked, total }).to.deep.equal({
      available: OG - 10n,
      locked: 10n,
      total: OG,
    });
    expect(subAccounts).to.deep.equal([
      {
        provider: market.provider.address,
        balance: 10n,
        reserved: 0n,
        returning: 0n,
        free: 10n,
      },
    ]);
  });

  it("counts a return down by the chain's clock and pays it after the lock period", async () => {
    const provider = market.provider.address;
    const lockPeriod = Number(market.chain.parameters.lockPeriod);
    await asUser((user) => fund(user, { provider, amount: 10n }));
    await asUser((user) => requestReturn(user, { provider, amount: 4n }));

    const asked = await subAccount();
    expect(asked).to.include({ balance: 10n, returning: 4n, free: 6n });
    expect(asked.requests.map((r) => [r.amount, r.secondsLeft])).to.deep.equal([[4n, lockPeriod]]);

    await market.chain.increaseTime(lockPeriod - 10);
    const [later] = (await subAccount()).requests;
    expect(later!.secondsLeft).to.equal(10);
    expect(later!.unlocksAt).to.equal(asked.requests[0]!.unlocksAt);

    await asUser((user) => claimReturn(user, { provider }));
    expect(await subAccount()).to.include({ balance: 10n, returning: 4n });

    await market.chain.increaseTime(lockPeriod);
    expect((await subAccount()).requests[0]!.secondsLeft).to.equal(0);
    await asUser((user) => claimReturn(user, { provider }));
    expect(await subAccount()).to.deep.include({ balance: 6n, returning: 0n, requests: [] });
    expect((await account()).available).to.equal(OG - 6n);
  });

  it("lists sub-accounts with their return requests, all or some", async () => {
    const { user, reader, provider, stranger } = market;
    const of = { account: user.address };
    expect(await listSubAccounts(reader, of)).to.deep.equal([]);
    for (const { address } of [provider, stranger])
      await asUser((client) => fund(client, { provider: address, amount: 10n }));
    await asUser((client) => requestReturn(client, { provider: provider.address, amount: 4n }));
    const { requests, deliverables: _, ...summary } = await subAccount();
    const all = await listSubAccounts(reader, of);
    expect(all).to.have.length(2);
    expect(all[0]).to.deep.equal({
      ...summary,
      requests: requests.map(({ secondsLeft: _, ...request }) => request),
    });
    const some = await listSubAccounts(reader, { ...of, providers: [stranger.address] });
    expect(some).to.deep.equal(all.slice(1));
  });

  it("reports what is free if more is requested back", async () => {
    const provider = market.provider.address;
    await asUser((user) => fund(user, { provider, amount: 10n }));
    const error = await rejection(asUser((user) => requestReturn(user, { provider, amount: 11n })));
    expect(error.code).to.equal("insufficient-funds");
    expect(error.message).to.contain("0.00000000000000001 OG free");
    expect(error.next).to.deep.equal({ verb: "getSubAccount", parameters: { provider } });
  });

  it("retrieves over several providers in two runs, the second after the lock period", async () => {
    const providers = [market.provider.address, market.stranger.address, hexlify(randomBytes(20))];
    for (const provider of providers.slice(0, 2)) {
      await asUser((user) => fund(user, { provider, amount: 10n }));
    }
    await asUser((user) => retrieve(user, { providers }));
    const asked = await account();
    expect(asked.subAccounts.map((sub) => sub.returning)).to.deep.equal([10n, 10n]);
    await market.chain.increaseTime(market.chain.parameters.lockPeriod);
    await asUser((user) => retrieve(user, { providers }));
    expect(await account()).to.include({ available: OG, locked: 0n });
  });

  it("reads more providers than fit on one page, in the order of first use", async () => {
    const providers = Array.from({ length: 53 }, (_, i) => {
      return `0x${(i + 1).toString(16).padStart(40, "0")}`;
    });
    for (const provider of providers) {
      await asUser((user) => fund(user, { provider, amount: 1n }));
    }
    const { subAccounts, locked } = await account();
    expect(subAccounts.map((sub) => sub.provider)).to.deep.equal(providers);
    expect(locked).to.equal(53n);
  });

  it("reads a sub-account that was never used as zeros", async () => {
    expect(await subAccount()).to.deep.equal({
      provider: market.provider.address,
      balance: 0n,
      reserved: 0n,
      returning: 0n,
      free: 0n,
      requests: [],
      deliverables: [],
    });
  });

  it("refuses an amount of zero with a message", async () => {
    const error = await rejection(asUser((user) => deposit(user, { amount: 0n })));
    expect(error.code).to.equal("usage");
    expect(error.message).to.equal("The amount is zero.");
  });

  it("lets the contract reserve no more than was allowed, and says how much is needed", async () => {
    await asUser((user) => authorize(user, { allowance: 10n ** 9n - 1n }));
    const error = await rejection(market.order());
    expect(error.code).to.equal("insufficient-funds");
    expect(error.message).to.equal(
      "The contract may reserve 0.000000000999999999 OG of the account and 0.000000001 OG are needed.",
    );
    expect(error.next).to.deep.equal({ verb: "authorize", parameters: { allowance: 10n ** 9n } });
    await asUser((user) => authorize(user, { allowance: 10n ** 9n }));
    await market.order();
    expect((await subAccount()).reserved).to.equal(10n ** 9n);
    expect((await account()).allowance).to.equal(0n);
  });

  it("pays withdrawals to another address", async () => {
    const to = getAddress(`0x${"ca5e".padStart(40, "0")}`);
    await asUser((user) => withdraw(user, { amount: OG / 2n, to }));
    expect(await market.reader.provider.getBalance(to)).to.equal(OG / 2n);
    expect((await account()).available).to.equal(OG / 2n);
  });

  describe("before an order", () => {
    const [first, second] = [1, 2].map((n) => getAddress(`0x${`${n}`.repeat(40)}`)) as [
      string,
      string,
    ];
    const prepare = (amount: bigint) =>
      prepareFunds(market.user, { provider: market.provider.address, amount });
    const steps = async (amount: bigint) =>
      (await prepare(amount)).map(({ call: _, ...step }) => step);

    it("needs nothing but an allowance of what it costs", async () => {
      expect(await steps(5n)).to.deep.equal([]);
      await asUser((user) => authorize(user, { allowance: 4n }));
      expect(await steps(5n)).to.deep.equal([{ name: "authorize", allowance: 5n }]);
    });

    it("takes what is missing from other sub-accounts, the largest first", async () => {
      const { user } = market;
      await asUser(() => fund(user, { provider: first, amount: 3n }));
      await asUser(() => fund(user, { provider: second, amount: 5n }));
      await asUser(() => requestReturn(user, { provider: second, amount: 1n }));
      await asUser(() => withdraw(user, { amount: OG - 8n - 2n }));
      expect(await steps(2n)).to.deep.equal([]);
      expect(await steps(8n)).to.deep.equal([
        { name: "transfer", from: second, amount: 4n },
        { name: "transfer", from: first, amount: 2n },
      ]);
      for (const { call } of await prepare(8n)) await send(user, call);
      expect(await steps(8n)).to.deep.equal([]);
      const { provider } = market;
      expect(
        (await getSubAccount(user, { account: user.address, provider: provider.address })).free,
      ).to.equal(6n);
    });

    it("says what is missing in all of them together, and sends those without an account to open one", async () => {
      const error = await rejection(prepare(OG + 1n));
      expect(error.next).to.deep.equal({ verb: "deposit", parameters: { amount: 1n } });
      const { provider, stranger } = market;
      const none = await rejection(
        prepareFunds(stranger, { provider: provider.address, amount: 5n }),
      );
      expect(none.hint).to.equal("Open an account.");
      expect(none.next).to.deep.equal({ verb: "openAccount", parameters: { amount: OG / 10n } });
    });
  });

  it("sends nothing if the call would fail", async () => {
    const { user } = market;
    const before = await user.provider.getTransactionCount(user.address);
    await rejection(asUser((user) => withdraw(user, { amount: 2n * OG })));
    expect(await user.provider.getTransactionCount(user.address)).to.equal(before);
  });
});
