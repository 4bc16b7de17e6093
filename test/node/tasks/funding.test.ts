import { expect } from "chai";
import { getAddress } from "ethers";
import { after, before, beforeEach, describe, it } from "mocha";
import { fund, UNLIMITED, withdraw } from "../../../sdk/account/calls.ts";
import { getAccount } from "../../../sdk/account/getAccount.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { FEE, type Orders, openOrders } from "./orders.ts";

const OG = 10n ** 18n;
const OTHER = getAddress(`0x${"07".repeat(20)}`);

describe("tasks: the money that an order needs", () => {
  let orders: Orders;
  let fresh: string;
  before(async () => {
    orders = await openOrders();
    fresh = await orders.market.chain.snapshot();
  });
  beforeEach(async () => {
    await orders.market.chain.revert(fresh);
    fresh = await orders.market.chain.snapshot();
  });
  after(() => orders.market.close());

  const account = () => {
    const { user } = orders.market;
    return getAccount(user, { account: user.address });
  };

  it("is allowed up to what the account was opened with, and used up by orders", async () => {
    expect((await account()).allowance).to.equal(OG);
    await orders.create();
    expect((await account()).allowance).to.equal(OG - BigInt(FEE));
  });

  it("is allowed by the order if the allowance is too small, exactly, and the order says so", async () => {
    const { market } = orders;
    await market.run("set-allowance", { amount: "0.000000000000000139" });
    const flags = { model: "tiny-qwen2", trainingFile: orders.dataset };
    const { stdout, exitCode } = await market.run("fine-tuning create", flags);
    expect(exitCode).to.equal(0);
    expect(stdout).to.contain(
      "Allowed the contract to reserve 0.00000000000000014 OG of your account.",
    );
    expect((await account()).allowance).to.equal(0n);
    expect(await orders.ordered()).to.deep.equal([1, FEE]);
  });

  it("is shown with --dry-run before the order, and nothing is sent", async () => {
    const { market } = orders;
    await market.run("set-allowance", { amount: "0" });
    const plan = await orders.create({ dryRun: true });
    expect(plan).to.include({ dryRun: true, verb: "authorize" });
    expect(plan.arguments).to.deep.equal({ allowance: FEE });
    expect(plan.followedBy).to.include({ verb: "createTask" });
    expect((await account()).allowance).to.equal(0n);
    expect(await orders.ordered()).to.deep.equal([0, "0"]);
  });

  it("comes from another provider's sub-account if the account is short, and the order says so", async () => {
    const { market } = orders;
    await send(market.user, fund(market.user, { provider: OTHER, amount: OG / 2n }));
    await send(market.user, withdraw(market.user, { amount: OG / 2n }));
    const flags = { model: "tiny-qwen2", trainingFile: orders.dataset };
    const { stdout } = await market.run("fine-tuning create", flags);
    expect(stdout).to.contain(
      `Moved 0.00000000000000014 OG that were free in the sub-account for ${OTHER}.`,
    );
    expect(await orders.ordered()).to.deep.equal([1, FEE]);
  });

  it("is asked for before anything is sent if it is nowhere", async () => {
    const { market } = orders;
    await send(market.user, withdraw(market.user, { amount: OG - 100n }));
    const sent = await market.user.provider.getTransactionCount(market.user.address);
    const flags = { model: "tiny-qwen2", trainingFile: orders.dataset };
    const { stderr, exitCode } = await market.run("fine-tuning create", flags);
    expect(exitCode).to.equal(4);
    expect(stderr).to.contain("deposit --amount 0.00000000000000004");
    expect(await market.user.provider.getTransactionCount(market.user.address)).to.equal(sent);
  });

  it("moves between sub-accounts by transfer-fund, and to another wallet by refund --to", async () => {
    const { market } = orders;
    await send(market.user, fund(market.user, { provider: OTHER, amount: OG / 2n }));
    const to = market.provider.address;
    const moved = await market.json("transfer-fund", { from: OTHER, to, amount: "0.2" });
    expect(moved).to.include({ from: OTHER, to, amount: `${OG / 5n}` });
    const { free } = await market.json("get-sub-account", { provider: to });
    expect(free).to.equal(`${OG / 5n}`);
    const { exitCode, stderr } = await market.run("transfer-fund", {
      ...{ from: OTHER, to },
      amount: "0.4",
    });
    expect(exitCode).to.equal(4);
    expect(stderr).to.contain("0.3 OG free");
    expect(await market.json("refund", { amount: "0.1", to: OTHER })).to.include({ to: OTHER });
    expect(await market.reader.provider.getBalance(OTHER)).to.equal(OG / 10n);
  });

  it("is refunded only as far as it is not in sub-accounts, and the error says how much is", async () => {
    const { market } = orders;
    await send(market.user, fund(market.user, { provider: OTHER, amount: OG / 4n }));
    const { stderr, exitCode } = await market.run("refund", { amount: "0.9" });
    expect(exitCode).to.equal(4);
    expect(stderr)
      .to.match(/has 0\.750* OG available, .+; 0\.250* OG more are locked in sub-accounts\./)
      .and.contain("refund --amount 0.75")
      .and.contain("retrieve-fund")
      .and.not.contain("deposit");
  });

  it("is a provider's without limit, unless it sets one", async () => {
    const { market } = orders;
    const env = { ZG_PRIVATE_KEY: market.chain.accounts[1]!.privateKey };
    const allowance = async () => {
      const { address } = market.provider;
      return (await getAccount(market.reader, { account: address })).allowance;
    };
    expect(await allowance()).to.equal(UNLIMITED);
    await market.run("set-allowance", { amount: "2" }, { env });
    await market.run("add-account", { amount: "1" }, { env });
    expect(await allowance()).to.equal(3n * OG);
    await market.run("set-allowance", { amount: "unlimited" }, { env });
    await market.run("add-account", { amount: "1" }, { env });
    expect(await allowance()).to.equal(UNLIMITED);
  });
});
