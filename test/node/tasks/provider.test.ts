import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { createClient } from "../../../sdk/client.ts";
import { GAS_PER_TASK } from "../../../sdk/service/taskGas.ts";
import { acceptTask } from "../../../sdk/task/calls.ts";
import { getTask } from "../../../sdk/task/getTask.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { fetchTerms } from "../../../tasks/flows/fetchTerms.ts";
import { rejection } from "../../helpers/rejection.ts";
import { CommandFixture, startFakeApi } from "./CommandFixture.ts";

describe("tasks: providers and models", () => {
  let market: CommandFixture;
  before(async () => {
    market = await CommandFixture.open();
  });
  after(() => market.close());

  const offer = () => ({ url: market.daemon.url, price: "0.000000000000000001", unit: "byte" });

  it("reports that no provider is registered, and how to become the first", async () => {
    const { stdout, stderr } = await market.run("list-providers");
    expect(stdout).to.equal("No provider is registered on this network.\n");
    expect(stderr).to.contain("register-provider");
  });

  it("refuses to register without money: shows the required amount and exits 4", async () => {
    const { stderr, exitCode } = await market.run("register-provider", offer());
    expect(exitCode).to.equal(4);
    expect(stderr).to.contain("add-account");
  });

  it("refuses to register a daemon that runs with another key", async () => {
    const env = { ZG_PRIVATE_KEY: market.chain.accounts[4]!.privateKey };
    const { stderr, exitCode } = await market.run("register-provider", offer(), { env });
    expect(exitCode).to.equal(2);
    expect(stderr).to.contain(market.provider.address);
  });

  it("names the provider that the daemon works for, and the setting that changes it", async () => {
    const env = { ZG_PRIVATE_KEY: market.chain.accounts[4]!.privateKey };
    const { stderr } = await market.run("register-provider", offer(), { env });
    const { address } = market.chain.accounts[4]!;
    expect(stderr).to.contain(
      `works for ${market.provider.address}, but this wallet is ${address}`,
    );
    expect(stderr).to.contain(`PROVIDER_ADDRESS=${address}`);
  });

  it("shows the calls of an owner whose key is elsewhere, and never sends them", async () => {
    const safe = market.chain.accounts[7]!.address;
    market.daemon.provider = safe;
    market.daemon.operator = market.chain.accounts[8]!.address;
    const flags = { ...offer(), amount: "1", from: safe };
    const plan = await market.json("register-provider", { ...flags, dryRun: true });
    expect(plan).to.include({ verb: "openAccount", dryRun: true });
    expect(plan.data).to.match(/^0x[0-9a-f]{8,}$/);
    expect(plan.followedBy).to.include({ to: market.reader.servingAddress });
    expect(plan.followedBy.data).to.match(/^0x[0-9a-f]{8,}$/);
    expect(plan.followedBy.terms).to.include({ operator: market.chain.accounts[8]!.address });
    const { stderr, exitCode } = await market.run("register-provider", flags);
    expect(exitCode).to.equal(2);
    expect(stderr).to.contain("--dry-run");
    delete market.daemon.provider;
    delete market.daemon.operator;
  });

  it("gives a hint for providers if their daemon does not answer at --url", async () => {
    for (const url of ["http://127.0.0.1:1", `${market.daemon.url}/elsewhere`, market.storageUrl]) {
      const { stderr, exitCode } = await market.run("register-provider", { ...offer(), url });
      expect(exitCode, url).to.equal(9);
      expect(stderr).to.contain(`Error: No provider's daemon answers at ${url}.\nStart yours`);
      expect(stderr).to.contain("--url").and.contain("firewall").and.contain(`${url}/v1/terms`);
      expect(stderr).not.to.match(/another (one|provider)/);
    }
    const wrong = { ...offer(), url: "gpu.example.org" };
    const { stderr, exitCode } = await market.run("register-provider", wrong);
    expect(exitCode).to.equal(2);
    expect(stderr).to.contain("not an http or https URL");
  });

  it("refuses to register a loopback address on a public network", async () => {
    const { rpcUrl, deployment } = market.chain;
    const client = createClient({ rpcUrl, deployment, storageUrl: "" });
    const testnet = { ...client, chainId: 16602, address: market.provider.address };
    const error = await rejection(fetchTerms(testnet, market.daemon.url));
    client.provider.destroy();
    expect(error.code).to.equal("usage");
    expect(error.message).to.contain("Users of this network cannot reach");
  });

  it("refuses terms that are not numbers, and unknown units", async () => {
    for (const flags of [
      { bondBps: "many" },
      { unit: "word" },
      { price: "free" },
      { openTasks: "1.5" },
    ]) {
      const { exitCode } = await market.run("register-provider", { ...offer(), ...flags });
      expect(exitCode, JSON.stringify(flags)).to.equal(2);
    }
  });

  it("registers with the daemon's key and catalogue, and deposits the stake", async () => {
    const registered = await market.json("register-provider", { ...offer(), amount: "1" });
    expect(registered.provider).to.equal(market.provider.address);
    expect(registered.terms).to.include({ unit: "byte", pricePerUnit: "1", accepting: true });
    const status = await market.json("provider-status");
    expect(status).to.include({
      provider: market.provider.address,
      verified: true,
      url: market.daemon.url,
    });
    expect(status.reserved).to.equal(market.chain.parameters.minimumStake.toString());
    const { balance, gasPrice, tasks } = status.gasMoney;
    expect(Number(balance) / 1e18).to.be.within(9_990, 10_000); // of 10,000 at the start
    expect(BigInt(tasks)).to.equal(BigInt(balance) / (BigInt(gasPrice) * GAS_PER_TASK));
    const { stdout } = await market.run("provider-status");
    expect(stdout)
      .to.match(/Wallet, for Gas \(OG\).*\d+\.\d+/)
      .and.include(String(tasks));
  });

  it("recommends another key for the daemon if it runs with the owner's", async () => {
    const snapshot = await market.chain.snapshot();
    await market.run("remove-provider");
    const own = await market.run("register-provider", offer());
    expect(own.stderr).to.contain("a key of its own").and.contain("Safe");
    await market.run("remove-provider");
    market.daemon.operator = market.stranger.address;
    const separate = await market.run("register-provider", offer());
    expect(separate.stderr).not.to.contain("a key of its own");
    delete market.daemon.operator;
    await market.chain.revert(snapshot);
  });

  it("registers another operator without asking the daemon, which may be in other hands", async () => {
    const snapshot = await market.chain.snapshot();
    const before = await market.json("provider-status");
    market.daemon.operator = market.user.address; // what a thief would like
    const operator = market.stranger.address;
    const { stdout } = await market.run("update-provider", { operator });
    expect(stdout).to.contain(`${operator} works for you now`);
    const after = await market.json("provider-status");
    expect(after).to.include({ operator, catalogueHash: before.catalogueHash });
    expect(after.problem).to.contain("operator");
    expect(after.gasMoney.balance).to.equal(`${await market.reader.provider.getBalance(operator)}`);
    delete market.daemon.operator;
    await market.chain.revert(snapshot);
  });

  it("shows the bonds at risk and the gas that is reserved for open tasks", async () => {
    const snapshot = await market.chain.snapshot();
    await market.openAccount(market.user, 10n ** 17n);
    const id = await market.order({ maxFee: 10n ** 12n });
    const { bonds, gasReserve, gasMoney, counters } = await market.json("provider-status");
    expect(bonds).to.equal("0");
    expect(counters.open).to.equal(1);
    expect(BigInt(gasReserve)).to.equal(2n * GAS_PER_TASK * BigInt(gasMoney.gasPrice));
    await send(market.provider, acceptTask(market.provider, { id }));
    const { fee } = await getTask(market.reader, { id });
    expect(await market.json("provider-status")).to.include({ bonds: `${fee}` });
    await market.chain.revert(snapshot);
  });

  it("shows what the provider earned, what it trains on, and its models, also while it accepts nothing", async () => {
    const { queue } = market.daemon;
    const busy = { slots: 2, running: 1, waiting: 3, device: "2x NVIDIA H200" };
    for (const accepting of [true, false]) {
      market.daemon.queue = { ...busy, ...{ accepting } };
      const { stdout } = await market.run("provider-status");
      expect(stdout).to.match(accepting ? /^Verified +✓$/m : /^Verified +✗ .*no new tasks/m);
      expect(stdout).to.match(/^Earned \(OG\) +0/m);
      expect(stdout).to.match(/^Trains On +2x NVIDIA H200$/m);
      expect(stdout).to.match(/^Queue +1 running, 3 waiting$/m);
      expect(stdout).to.match(
        /^Models +tiny-qwen2 \(Language Generation\), tiny-distilbert \(Text Classification\)$/m,
      );
    }
    const { models, queue: reported } = await market.json("provider-status");
    expect(reported).to.include(busy);
    expect(models[1]).to.include({ name: "tiny-distilbert", kind: "text-classification" });
    market.daemon.queue = queue;
  });

  it("lists the provider as in the documentation: available, with its price", async () => {
    const { stdout } = await market.run("list-providers", {}, { terminal: 200 });
    expect(stdout.split("\n").slice(0, 6)).to.deep.equal([
      `┌${"─".repeat(50)}┬${"─".repeat(50)}┐`,
      `│ Provider 1                                       │ ${market.provider.address}       │`,
      `├${"─".repeat(50)}┼${"─".repeat(50)}┤`,
      `│ Available                                        │ ✓${" ".repeat(47)} │`,
      `├${"─".repeat(50)}┼${"─".repeat(50)}┤`,
      `│ Price Per Million Bytes Trained (OG)             │ 0.000000000001${" ".repeat(34)} │`,
    ]);
  });

  it("shows the record of each provider, with the stake as its registration deposit", async () => {
    const { stdout } = await market.run("list-providers");
    expect(stdout)
      .to.match(/^Paid Tasks +none$/m)
      .and.match(/^Unpaid Tasks +none$/m);
    expect(stdout).to.match(/^Registration Deposit \(OG\) +0\.1$/m);
    const { providers } = await market.json("list-providers");
    expect(providers[0]).to.deep.include({ earned: "0", failedAt: 0 });
  });

  it("marks the provider as occupied while it works on another task", async () => {
    market.daemon.queue = { slots: 1, running: 1, waiting: 2 };
    const { stdout } = await market.run("list-providers");
    expect(stdout).to.match(/^Available +✗ occupied: 1 running, 2 waiting$/m);
    market.daemon.queue = { slots: 1, running: 0, waiting: 0 };
  });

  it("lists predefined models and those of providers separately", async () => {
    const { stdout } = await market.run("list-models");
    const [predefined, special] = stdout.split("\n\n");
    expect(predefined).to.match(/^Predefined Models\n.*\ntiny-qwen2 +Language Generation/);
    expect(special).to.match(/^Provider's Model\n.*\ntiny-distilbert +Text Classification/);
    expect(special).to.contain(market.provider.address);
    const price = "0.00000000000025 full, 0.0000000000006667 LoRA (bytes)";
    expect(predefined).to.contain(price);
    expect(special).to.contain(price);
    const { models } = await market.json("list-models", { provider: market.provider.address });
    expect(models.map(({ name }: { name: string }) => name)).to.deep.equal([
      "tiny-qwen2",
      "tiny-distilbert",
    ]);
    expect(models[0].pricePerMillion).to.deep.equal({
      unit: "byte",
      full: "250000",
      lora: "666700",
    });
  });

  it("shows a model's type in its provider's words, and with --json its size, length and license", async () => {
    const snapshot = await market.chain.snapshot();
    const { catalogue } = market.daemon;
    const document = JSON.parse(catalogue);
    const facts = { weightBytes: 3_554_214_621, maxLength: 131_072, license: "mit" };
    Object.assign(document.models[1], { type: "Reasoning Tasks", predefined: true, ...facts });
    market.daemon.catalogue = JSON.stringify(document);
    await market.run("update-provider");
    const { stdout } = await market.run("list-models");
    expect(stdout).to.match(/^tiny-distilbert +Reasoning Tasks/m);
    expect(stdout).to.match(/^Provider's Model: none$/m);
    const { models } = await market.json("list-models");
    expect(models[0]).to.include({ type: "Language Generation" });
    expect(models[1]).to.include({ type: "Reasoning Tasks", ...facts });
    market.daemon.catalogue = catalogue;
    await market.chain.revert(snapshot);
  });

  it("shows who offers a predefined model: the provider's address, or how many they are", async () => {
    const snapshot = await market.chain.snapshot();
    const alone = await market.run("list-models");
    expect(alone.stdout).to.match(new RegExp(`^tiny-qwen2 .* ${market.provider.address}$`, "m"));
    const rival = await startFakeApi(market.stranger);
    const env = { ZG_PRIVATE_KEY: market.chain.accounts[3]!.privateKey };
    const dearer = { url: rival.daemon.url, price: "0.000000000000000002", amount: "1" };
    await market.run("register-provider", dearer, { env });
    const { stdout } = await market.run("list-models");
    const from = "from 0.00000000000025 full, 0.0000000000006667 LoRA \\(bytes\\)";
    expect(stdout).to.match(new RegExp(`^tiny-qwen2 .* ${from} +2 providers$`, "m"));
    expect(stdout.match(/^tiny-distilbert /gm)).to.have.length(2);
    await rival.close();
    await market.chain.revert(snapshot);
  });

  it("saves a model's usage into a folder under the model's name", async () => {
    const flags = { provider: market.provider.address, model: "tiny-qwen2", output: market.folder };
    const { path } = await market.json("model-usage", flags);
    expect(path).to.equal(join(market.folder, "tiny-qwen2.zip"));
    expect((await readFile(path)).subarray(0, 2).toString()).to.equal("PK");
  });

  it("suggests the model that a misspelling may mean", async () => {
    const flags = { provider: market.provider.address, model: "tiny-qwen", output: market.folder };
    const { stderr, exitCode } = await market.run("model-usage", flags);
    expect(exitCode).to.equal(2);
    expect(stderr).to.contain('Did you mean "tiny-qwen2"?');
  });

  it("detects a daemon whose catalogue is not the registered one", async () => {
    const { catalogue } = market.daemon;
    market.daemon.catalogue = catalogue.replace("A tiny classifier", "A better classifier");
    const status = await market.json("provider-status", { provider: market.provider.address });
    expect(status.verified).to.equal(false);
    expect(status.problem).to.contain("catalogue");
    const own = await market.run("provider-status");
    expect(own.stderr).to.contain("update-provider").and.not.contain("Choose another");
    const { stdout, stderr } = await market.run("list-models");
    expect(stdout).not.to.contain("better");
    expect(stderr).to.contain(`Left out ${market.provider.address}`);
    await market.run("update-provider");
    expect(await market.json("provider-status")).to.include({ verified: true });
    market.daemon.catalogue = catalogue;
    await market.run("update-provider");
  });

  it("gives the same hint if update-provider is given a dead URL, and changes nothing", async () => {
    const url = "http://127.0.0.1:1";
    const { stderr, exitCode } = await market.run("update-provider", { url });
    expect(exitCode).to.equal(9);
    expect(stderr).to.contain(`No provider's daemon answers at ${url}.\nStart yours`);
    expect(await market.json("provider-status")).to.include({ url: market.daemon.url });
  });

  it("changes only what a flag sets", async () => {
    const { terms } = await market.json("update-provider", { price: "2", accepting: "false" });
    expect(terms).to.include({
      pricePerUnit: `2${"0".repeat(18)}`,
      unit: "byte",
      accepting: false,
    });
    expect((await market.run("list-providers")).stdout).to.contain("✗ accepts no tasks");
    expect((await market.run("update-provider", { accepting: "maybe" })).exitCode).to.equal(2);
  });

  it("removes the provider; the stake is returned like any refund, and nothing is lost", async () => {
    const { privateKey } = market.chain.accounts[1]!;
    const asProvider = { env: { ZG_PRIVATE_KEY: privateKey } };
    expect((await market.run("remove-provider")).exitCode).to.equal(0);
    expect(await market.json("list-providers")).to.deep.equal({ providers: [] });

    const requested = await market.run("retrieve-fund", { json: true }, asProvider);
    const [change] = JSON.parse(requested.stdout).providers;
    const stake = market.chain.parameters.minimumStake.toString();
    expect(change).to.include({
      provider: market.provider.address,
      returned: "0",
      requested: stake,
    });

    const { stdout } = await market.run(
      "get-sub-account",
      { provider: market.provider.address },
      asProvider,
    );
    expect(stdout).to.match(/^0\.1 +(59s|1min 0s)$/m);
    const waiting = await market.run("retrieve-fund", {}, asProvider);
    expect(waiting.stdout).to.match(
      /^Nothing to retrieve: the next amount unlocks in (1min )?\d+s\.\n$/,
    );

    await market.chain.increaseTime(market.chain.parameters.lockPeriod);
    const claimed = await market.run("retrieve-fund", { json: true }, asProvider);
    expect(JSON.parse(claimed.stdout).providers[0]).to.include({ returned: stake, requested: "0" });
    const account = await market.run("get-account", { json: true }, asProvider);
    expect(JSON.parse(account.stdout)).to.include({ locked: "0", available: `1${"0".repeat(18)}` });
  });
});
