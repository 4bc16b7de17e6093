import { expect } from "chai";
import { Wallet } from "ethers";
import { after, before, describe, it } from "mocha";
import { formatOg } from "../../../sdk/units.ts";
import { CommandFixture } from "./CommandFixture.ts";

const OG = 10n ** 18n;
const NOBODY = "0x000000000000000000000000000000000000dEaD";

describe("tasks: account", () => {
  let market: CommandFixture;
  before(async () => {
    market = await CommandFixture.open();
  });
  after(() => market.close());

  it("reports that there is no account yet, and how to open one", async () => {
    const { stdout, stderr, exitCode } = await market.run("get-account");
    expect(exitCode).to.equal(0);
    expect(stdout).to.match(/^Total +0$/m);
    expect(stderr).to.equal("Next: npx hardhat add-account --amount 0.1\n");
  });

  for (const amount of ["", "0", "-1", "1e18", "0.0000000000000000001", "1,5", "abc", undefined]) {
    it(`refuses the amount ${JSON.stringify(amount)} with exit code 2 and one hint`, async () => {
      const { stdout, stderr, exitCode } = await market.run("add-account", { amount });
      expect(exitCode).to.equal(2);
      expect(stdout).to.equal("");
      expect(stderr).to.match(/^Error: .+\.\n.+\n$/);
    });
  }

  it("shows with --dry-run what would be called, and sends nothing", async () => {
    const plan = await market.json("add-account", { amount: "0.5", dryRun: true });
    expect(plan).to.include({
      dryRun: true,
      contract: "Ledger",
      verb: "openAccount",
      value: (OG / 2n).toString(),
    });
    expect(plan.to).to.equal(market.chain.deployment.ledger.address);
    expect(Number(plan.gas)).to.be.within(21_000, 200_000);
    expect(await market.json("get-account")).to.include({ total: "0" });
  });

  it("opens an account, deposits, refunds and shows the balance to the last neuron", async () => {
    expect((await market.run("add-account", { amount: "0.1" })).stdout).to.equal(
      `Account ${market.user.address} opened with 0.1 OG.\n`,
    );
    await market.run("deposit", { amount: "1.000000000000000001" });
    const refund = await market.json("refund", { amount: "0.1" });
    expect(refund).to.include({
      dryRun: false,
      account: market.user.address,
      amount: "100000000000000000",
    });
    expect(refund.transaction).to.match(/^0x[0-9a-f]{64}$/);
    expect(await market.json("get-account")).to.deep.equal({
      account: market.user.address,
      available: "1000000000000000001",
      locked: "0",
      total: "1000000000000000001",
      allowance: "100000000000000000",
      subAccounts: [],
    });
  });

  it("does not claim to open an account that is open", async () => {
    const { total } = await market.json("get-account");
    const { stdout } = await market.run("add-account", { amount: "0.25" });
    const now = formatOg(BigInt(total) + 250_000_000_000_000_000n);
    expect(stdout).to.equal(
      `Account ${market.user.address} was open already. Deposited 0.25 OG, and it has ${now} OG now.\n`,
    );
    await market.json("refund", { amount: "0.25" });
  });

  it("names the wallet and its balance if it cannot pay for gas", async () => {
    const { address, privateKey } = Wallet.createRandom();
    const env = { ZG_PRIVATE_KEY: privateKey };
    const { stderr, exitCode } = await market.run("add-account", { amount: "1" }, { env });
    expect(exitCode).to.equal(4);
    expect(stderr).to.contain(`The wallet ${address} has 0 OG, too little for`);
  });

  it("refuses a refund above the balance: shows both numbers and exits 4", async () => {
    const { stderr, exitCode } = await market.run("refund", { amount: "5" });
    expect(exitCode).to.equal(4);
    expect(stderr).to.contain("1.000000000000000001 OG").and.contain("5 OG");
    expect(stderr).to.contain("refund --amount 1.000000000000000001").and.not.contain("deposit");
  });

  it("reports an error with --json as one document on stdout, and nothing else", async () => {
    const { stdout, stderr, exitCode } = await market.run("refund", { amount: "5", json: true });
    expect(exitCode).to.equal(4);
    expect(stderr).to.equal("");
    const { error } = JSON.parse(stdout);
    expect(error.code).to.equal("insufficient-funds");
    expect(error.message).to.be.a("string").and.not.equal("");
    expect(error.hint).to.be.a("string").and.not.equal("");
  });

  it("draws the overview of the documentation on a terminal", async () => {
    const { stdout } = await market.run("get-account", {}, { terminal: 200 });
    const lines = stdout.split("\n");
    expect(lines[0]).to.equal("  Overview");
    expect(lines[1]).to.equal(`┌${"─".repeat(50)}┬${"─".repeat(81)}┐`);
    expect(lines[2]).to.equal(`│ ${"Balance".padEnd(48)} │ ${"Value (OG)".padEnd(79)} │`);
    expect(lines[6]).to.equal(
      `│ ${"Locked (transferred to sub-accounts)".padEnd(48)} │ ${"0".padEnd(79)} │`,
    );
    expect(stdout).to.contain("  Fine-tuning sub-accounts (Dynamically Created per Used Provider)");
  });

  it("shows the wallet, the network, and the contracts in use", async () => {
    const { address } = market.user;
    const wallet = await market.json("wallet");
    expect(wallet).to.include({ network: "localhost", chainId: 31_337, address });
    const { ledger, serving } = market.chain.deployment;
    expect(wallet.contracts.Ledger.toLowerCase()).to.equal(ledger.address.toLowerCase());
    expect(wallet.contracts.FineTuningServing.toLowerCase()).to.equal(
      serving.address.toLowerCase(),
    );
    const balance = await market.reader.provider.getBalance(address);
    expect(wallet.balance).to.equal(balance.toString());
    const { stdout } = await market.run("wallet");
    expect(stdout).to.match(new RegExp(`^Wallet +${address}$`, "m"));
    expect(stdout).to.match(/^Balance, for Gas and Deposits \(OG\) +\d{4,5}(\.\d+)?$/m);
  });

  it("draws the three tables of a sub-account, with their titles", async () => {
    const { stdout } = await market.run("get-sub-account", { provider: NOBODY }, { terminal: 200 });
    const titles = stdout.split("\n").filter((line) => line.startsWith("  "));
    expect(titles).to.deep.equal([
      "  Overview",
      "  Details of Each Amount Applied for Return to Main Account",
      "  Deliverables",
    ]);
    expect(stdout).to.contain(`│ ${NOBODY.padEnd(48)} │`);
    expect(stdout).to.contain("│ Funds Applied for Return to Main Account (OG)    │");
  });

  it("has nothing to retrieve while no provider has been used", async () => {
    expect((await market.run("retrieve-fund")).stdout).to.equal("Nothing to retrieve.\n");
    expect(await market.json("retrieve-fund")).to.deep.equal({ claimed: [], providers: [] });
  });

  it("refuses an address with a typo before it asks the chain", async () => {
    const provider = "0x70997970C51812dc3A010C7d01b50e0d17dc79c8";
    const env = { RPC_ENDPOINT: "http://127.0.0.1:1" };
    const { stderr, exitCode } = await market.run("get-sub-account", { provider }, { env });
    expect(exitCode).to.equal(2);
    expect(stderr)
      .to.contain(`"${provider}" has a wrong checksum`)
      .and.contain("0x70997970C51812dc3A010C7d01b50e0d17dc79C8");
  });

  it("uses another wallet from ZG_PRIVATE_KEY, and never shows an invalid one", async () => {
    const [, , , other] = market.chain.accounts;
    const { stdout } = await market.run(
      "get-account",
      { json: true },
      { env: { ZG_PRIVATE_KEY: other!.privateKey } },
    );
    expect(JSON.parse(stdout).account).to.equal(other!.address);
    const secret = `${other!.privateKey}00`;
    const broken = await market.run("get-account", {}, { env: { ZG_PRIVATE_KEY: secret } });
    expect(broken.exitCode).to.equal(2);
    expect(broken.stdout + broken.stderr).not.to.contain(secret.slice(2, 12));
  });

  it("exits 9 with a sentence if the chain's node is down", async () => {
    const env = { RPC_ENDPOINT: "http://127.0.0.1:1" };
    const { stderr, exitCode } = await market.run("get-account", {}, { env });
    expect(exitCode).to.equal(9);
    expect(stderr).to.match(/^Error: .+ does not answer\.\n.*RPC_ENDPOINT.*\n$/);
  });
});
