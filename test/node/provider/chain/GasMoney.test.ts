import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import pino from "pino";
import { Registry } from "prom-client";
import { ChainIdentity } from "../../../../provider/chain/ChainIdentity.ts";
import { GasMoney } from "../../../../provider/chain/GasMoney.ts";
import { systemClock } from "../../../../provider/clock.ts";
import { ProviderError } from "../../../../provider/errors.ts";
import { type Job, newJob } from "../../../../provider/machine/machine.ts";
import { Readiness } from "../../../../provider/Readiness.ts";
import { SqliteStore } from "../../../../provider/store/SqliteStore.ts";
import type { JobRecord } from "../../../../provider/store/Store.ts";
import type { Client } from "../../../../sdk/client.ts";
import type { TaskId } from "../../../../sdk/ids.ts";
import { GAS_PER_TASK, MAX_DEMANDS, TASK_GAS } from "../../../../sdk/service/taskGas.ts";
import { DaemonFixture } from "../DaemonFixture.ts";

const GWEI = 10n ** 9n;

describe("gas reserve, on a real chain", () => {
  let market: DaemonFixture;
  let client: Client;
  let snapshot: string;
  let directory: string;
  let store: SqliteStore;
  let readiness: Readiness;
  let gasMoney: GasMoney;
  let errors: Record<string, unknown>[];

  before(async () => {
    market = await DaemonFixture.open();
    client = market.client(1);
  });
  after(() => market.close());

  beforeEach(async () => {
    snapshot = await market.chain.snapshot();
    directory = mkdtempSync(join(tmpdir(), "anneal-gas-"));
    store = SqliteStore.open(directory);
    readiness = new Readiness();
    errors = [];
    const write = (line: string) => void errors.push(JSON.parse(line));
    const log = pino({ level: "error" }, { write });
    const genesis = (await client.provider.getBlock(0))!.hash!;
    const identity = new ChainIdentity({ client, genesis, readiness, log });
    const clock = systemClock;
    const maxGasPrice = 100n * GWEI;
    gasMoney = new GasMoney({ client, identity, store, clock, log, readiness, maxGasPrice });
  });
  afterEach(async () => {
    store.close();
    rmSync(directory, { recursive: true });
    await market.chain.revert(snapshot);
  });

  const setBalance = (balance: bigint) =>
    client.provider.send("hardhat_setBalance", [
      market.provider.address,
      `0x${balance.toString(16)}`,
    ]);
  const putJob = (number: number, job: Partial<Job>): TaskId => {
    const id = `0x${number.toString(16).padStart(32, "0")}` as TaskId;
    const order = { nonce: 1n, units: 1n, maxFee: 1n, config: {} } as JobRecord["order"];
    const blockNumber = number;
    store.putJob({
      id,
      user: market.user.address,
      fee: 1n,
      order,
      blockNumber,
      job: { ...newJob(), ...job },
      facts: {},
    });
    return id;
  };
  const accepting = { chain: "Created", pending: "accept", slot: true } as const;
  const isRefused = (id: TaskId) =>
    gasMoney.requireReserve(id).then(
      () => false,
      (error: ProviderError) => {
        expect(error).to.be.instanceOf(ProviderError).and.to.include({ retryable: true });
        return true;
      },
    );

  it("accepts a task only if the OG last for it and for the open ones", async () => {
    const id = putJob(2, accepting);
    const { perTask } = await gasMoney.refresh();
    await setBalance(perTask);
    expect(await isRefused(id)).to.equal(false);
    await setBalance(perTask - 1n);
    expect(await isRefused(id)).to.equal(true);

    putJob(1, { chain: "Acknowledged" });
    await setBalance(perTask);
    expect(await isRefused(id)).to.equal(true);
    const { reserved } = await gasMoney.refresh();
    const { reveal, finalize } = TASK_GAS;
    expect(reserved).to.equal((perTask / GAS_PER_TASK) * (reveal + finalize));
    await setBalance(perTask + reserved);
    expect(await isRefused(id)).to.equal(false);
  });

  it("reserves the answers to all chunks that users may still demand, and the steps after them", async () => {
    const { deliver, answer, reveal, finalize } = TASK_GAS;
    const perGas = async () => (await gasMoney.refresh()).perTask / GAS_PER_TASK;
    const answers = MAX_DEMANDS * answer;
    putJob(1, { chain: "Demanded" });
    const demanded = answers + reveal + finalize;
    expect((await gasMoney.refresh()).reserved).to.equal((await perGas()) * demanded);
    putJob(2, { chain: "Delivered" });
    putJob(3, { chain: "Accepted" });
    const all = 3n * demanded + deliver;
    expect((await gasMoney.refresh()).reserved).to.equal((await perGas()) * all);
  });

  it("reads the limit on demands from the same rule as the contract", async () => {
    expect(await client.serving.MAX_DEMANDS()).to.equal(MAX_DEMANDS);
  });

  it("gives the remaining gas to the oldest tasks that wait for acceptance", async () => {
    const [first, second] = [putJob(1, accepting), putJob(2, accepting)];
    const { perTask } = await gasMoney.refresh();
    await setBalance(perTask);
    expect(await isRefused(first)).to.equal(false);
    expect(await isRefused(second)).to.equal(true);
  });

  it("warns once that no task is accepted, is not ready meanwhile, and reports both to Prometheus", async () => {
    putJob(1, { chain: "Accepted" });
    const registry = new Registry();
    gasMoney.addGauges(registry);
    await setBalance(10n ** 12n);
    await gasMoney.refresh();
    const { reserved } = await gasMoney.refresh();
    expect(errors).to.have.length(1);
    expect(errors[0]).to.include({
      address: market.provider.address,
      balance: "0.000001",
    });
    expect(readiness.reasons().map(({ name }) => name)).to.deep.equal(["gas"]);
    const metrics = await registry.metrics();
    expect(metrics).to.include("anneal_wallet_og 0.000001\n");
    expect(metrics).to.include(`anneal_gas_reserved_og ${Number(reserved) / 1e18}\n`);
    expect(metrics).to.include("anneal_transactions_unpaid 0\n");

    await setBalance(10n ** 18n);
    await gasMoney.refresh();
    expect(readiness.reasons()).to.deep.equal([]);
  });

  it("reserves at least as much gas for each step as the step uses", () => {
    const { verbs } = JSON.parse(readFileSync("gas-snapshot.json", "utf8"));
    const withMargin = (verb: string) => (BigInt(verbs[verb]) * 120n) / 100n;
    expect(TASK_GAS.accept >= withMargin("acceptTask")).to.equal(true);
    expect(TASK_GAS.deliver >= withMargin("deliver")).to.equal(true);
    expect(TASK_GAS.reveal >= withMargin("reveal")).to.equal(true);
    expect(TASK_GAS.finalize >= withMargin("finalize")).to.equal(true);
    expect(TASK_GAS.finalize >= withMargin("lapse")).to.equal(true);
  });
});
