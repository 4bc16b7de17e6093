import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Transaction } from "ethers";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import pino, { type Logger } from "pino";
import { ChainIdentity } from "../../../../provider/chain/ChainIdentity.ts";
import { GasMoney } from "../../../../provider/chain/GasMoney.ts";
import { type Submission, Submitter } from "../../../../provider/chain/Submitter.ts";
import { type Clock, systemClock } from "../../../../provider/clock.ts";
import { ProviderError } from "../../../../provider/errors.ts";
import { newJob } from "../../../../provider/machine/machine.ts";
import { Readiness } from "../../../../provider/Readiness.ts";
import { SqliteStore } from "../../../../provider/store/SqliteStore.ts";
import { type Client, requireSigner } from "../../../../sdk/client.ts";
import { ProtocolError } from "../../../../sdk/errors.ts";
import type { TaskId } from "../../../../sdk/ids.ts";
import { acceptTask, cancelTask, failTask } from "../../../../sdk/task/calls.ts";
import { getTask } from "../../../../sdk/task/getTask.ts";
import { getTaskOrder } from "../../../../sdk/task/getTaskOrder.ts";
import { readGasPrice, totalPrice } from "../../../../sdk/transaction/gasPrice.ts";
import { send } from "../../../../sdk/transaction/send.ts";
import { DaemonFixture } from "../DaemonFixture.ts";

const GWEI = 10n ** 9n;
const MAX_GAS_PRICE = 100n * GWEI;

describe("submitter, on a real chain", () => {
  let market: DaemonFixture;
  let client: Client;
  let user: Client;
  let directory: string;
  let store: SqliteStore;
  let snapshot: string;
  let id: TaskId;
  let genesis: string;
  let readiness: Readiness;
  let gasMoney: GasMoney;
  /** The daemon's log. */
  let lines: Record<string, unknown>[];
  let log: Logger;

  before(async () => {
    market = await DaemonFixture.open();
    await market.register();
    client = market.client(1);
    user = market.client(2);
    genesis = (await user.provider.getBlock(0))!.hash!;
    await market.openAccount(user, 10n ** 18n);
  });
  after(() => market.close());

  beforeEach(async () => {
    snapshot = await market.chain.snapshot();
    directory = mkdtempSync(join(tmpdir(), "anneal-submitter-"));
    store = openStore();
    readiness = new Readiness();
    lines = [];
    log = pino({ level: "debug" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
    id = await market.order({}, user);
  });
  afterEach(async () => {
    await automine(true);
    store.close();
    rmSync(directory, { recursive: true });
    await market.chain.revert(snapshot);
  });

  const openStore = () => SqliteStore.open(directory);
  const automine = (on: boolean) => client.provider.send("evm_setAutomine", [on]);
  const nonce = (block = "latest") =>
    client.provider.getTransactionCount(market.provider.address, block);
  const state = async () => (await getTask(client, { id })).state;

  const submitter = (options: { client?: Client; clock?: Clock; confirmations?: number } = {}) =>
    makeSubmitter(options.client ?? client, options);
  const makeSubmitter = (
    to: Client,
    { clock = systemClock, confirmations = 0 }: { clock?: Clock; confirmations?: number },
  ) => {
    const identity = new ChainIdentity({ client: to, genesis, readiness, log });
    const registration = { requireOperator: async () => undefined };
    const chain = { client: to, identity, registration, store, clock, log };
    gasMoney = new GasMoney({ ...chain, readiness, maxGasPrice: MAX_GAS_PRICE });
    return new Submitter({ ...chain, gasMoney, confirmations, pollInterval: 10 });
  };
  const accept = (task = id) => ({
    id: task,
    step: "accept" as const,
    call: acceptTask(client, { id: task }),
    isDone: async () => (await getTask(client, { id: task })).state !== "Created",
  });
  const live = new AbortController().signal;

  /** A client whose node drops transactions, and a signal that stops the daemon at that moment. */
  const dyingAtBroadcast = (): { client: Client; signal: AbortSignal } => {
    const death = new AbortController();
    const provider = new Proxy(client.provider, {
      get: (target, name) => {
        if (name === "broadcastTransaction") {
          return async () => {
            death.abort();
            throw new Error("died");
          };
        }
        const value = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    return { client: { ...client, provider }, signal: death.signal };
  };

  const failureOf = async (promise: Promise<unknown>): Promise<Error> =>
    promise.then(
      () => expect.fail("did not fail"),
      (error: Error) => error,
    );

  it("achieves an effect with one transaction, however often it is requested", async () => {
    const before = await nonce();
    await submitter().submit(accept(), live);
    expect(await state()).to.equal("Accepted");
    await submitter().submit(accept(), live);
    await submitter().submit(accept(), live);
    expect(await nonce()).to.equal(before + 1);
  });

  it("sends nothing if the chain shows the effect already", async () => {
    await send(client, acceptTask(client, { id }));
    const before = await nonce();
    await submitter().submit(accept(), live);
    expect(await nonce()).to.equal(before);
  });

  it("broadcasts after a restart what it had signed before the crash", async () => {
    const before = await nonce();
    const dying = dyingAtBroadcast();
    await failureOf(submitter({ client: dying.client }).submit(accept(), dying.signal));
    expect(await state()).to.equal("Created");
    const [signed] = store.openTransactions();

    store.close();
    store = openStore();
    await submitter().submit(accept(), live);
    expect(await state()).to.equal("Accepted");
    expect(await nonce()).to.equal(before + 1);
    const receipt = await client.provider.getTransactionReceipt(signed!.versions[0]!.hash);
    expect(receipt?.status).to.equal(1); // the same transaction, no other
    expect(store.openTransactions()).to.deep.equal([]);
  });

  it("recognizes after a restart what was mined while it was down", async () => {
    await automine(false);
    const before = await nonce();
    const death = new AbortController();
    const sending = failureOf(submitter().submit(accept(), death.signal));
    while ((await nonce("pending")) === before);
    death.abort();
    await sending;
    await market.chain.mine();

    store.close();
    store = openStore();
    await submitter().submit(accept(), live);
    expect(await nonce()).to.equal(before + 1);
    expect(store.openTransactions()).to.deep.equal([]);
  });

  it("gives concurrent effects consecutive nonces", async () => {
    const other = await market.order({}, user);
    const before = await nonce();
    const lane = submitter();
    await Promise.all([lane.submit(accept(), live), lane.submit(accept(other), live)]);
    expect(await nonce()).to.equal(before + 2);
    expect((await getTask(client, { id: other })).state).to.equal("Accepted");
  });

  it("uses one nonce if the same effect is requested twice at the same time", async () => {
    const before = await nonce();
    const lane = submitter();
    await Promise.all([lane.submit(accept(), live), lane.submit(accept(), live)]);
    expect(await nonce()).to.equal(before + 1);
  });

  it("sends nothing that would revert, and reports which error it would be", async () => {
    const before = await nonce();
    const call = failTask(user, { id: `0x${"00".repeat(16)}` as TaskId, reason: "Unspecified" });
    const error = await failureOf(
      submitter().submit({ id, step: "fail", call, isDone: async () => false }, live),
    );
    expect(error).to.be.instanceOf(ProtocolError);
    expect(await nonce()).to.equal(before);
    expect(store.openTransactions()).to.deep.equal([]);
  });

  it("reports what was mined and reverted, and can try again with the next nonce", async () => {
    await automine(false);
    const sending = failureOf(submitter().submit(accept(), live));
    while (store.openTransactions().length === 0) await systemClock.sleep(5, live);
    const { to, data } = cancelTask(user, { id });
    const fees = { maxPriorityFeePerGas: 10n ** 11n, maxFeePerGas: 10n ** 12n }; // so that it comes first
    await requireSigner(user).sendTransaction({ to, data, gasLimit: 500_000, ...fees });
    await market.chain.mine();
    const error = await sending;
    expect(error).to.be.instanceOf(ProviderError);
    expect((error as ProviderError).retryable).to.equal(true);
    expect(await state()).to.equal("Cancelled");
    await submitter().submit(accept(), live); // the state says that there is nothing to do
    expect(store.openTransactions()).to.deep.equal([]);
  });

  it("starts over if its nonce was used elsewhere", async () => {
    const before = await nonce();
    const dying = dyingAtBroadcast();
    await failureOf(submitter({ client: dying.client }).submit(accept(), dying.signal));
    await requireSigner(client)
      .sendTransaction({ to: market.user.address, value: 1n })
      .then((sent) => sent.wait());

    const error = await failureOf(submitter().submit(accept(), live));
    expect(error.message).to.match(/lost/);
    await submitter().submit(accept(), live);
    expect(await state()).to.equal("Accepted");
    expect(await nonce()).to.equal(before + 2);
  });

  /** A clock that advances only by the daemon's pauses, and what happens in the n-th of them. */
  const clockWith = (pause: number, during: (pauses: number) => Promise<unknown>): Clock => {
    let now = 0;
    let pauses = 0;
    return {
      now: () => now,
      sleep: async () => {
        now += pause;
        await during(++pauses);
      },
    };
  };
  const setBaseFee = (fee: bigint) =>
    client.provider.send("hardhat_setNextBlockBaseFeePerGas", [`0x${fee.toString(16)}`]);
  const setBalance = (balance: bigint) =>
    client.provider.send("hardhat_setBalance", [
      market.provider.address,
      `0x${balance.toString(16)}`,
    ]);
  const chainPrice = async () => totalPrice(await readGasPrice(client));
  const paidPrice = async () => {
    const block = await client.provider.getBlock("latest", true);
    const hash = block!.transactions.at(-1)!;
    return (await client.provider.getTransactionReceipt(hash))!.gasPrice;
  };

  it("raises no fee while no block is mined, and pays the chain's price when one is", async () => {
    await automine(false);
    const price = await chainPrice();
    const raw: string[] = [];
    const twelveMinutes = clockWith(10_000, async (pauses) => {
      raw.push(...store.openTransactions()[0]!.versions.map((version) => version.raw));
      if (pauses > 72) await market.chain.mine();
    });
    await submitter({ clock: twelveMinutes }).submit(accept(), live);
    expect(new Set(raw).size).to.equal(1);
    expect(Number(await paidPrice())).to.be.at.most(2 * Number(price));
  });

  it("replaces the transaction with higher fees if blocks that cost more are mined", async () => {
    await automine(false);
    const before = await nonce();
    const fee = 50n * GWEI;
    let first = "";
    const clock = clockWith(100, async () => {
      first ||= store.openTransactions()[0]!.versions[0]!.hash;
      await setBaseFee(fee);
      await market.chain.mine();
    });
    await submitter({ clock }).submit(accept(), live);
    expect(await state()).to.equal("Accepted");
    expect(await client.provider.getTransactionReceipt(first)).to.equal(null);
    expect(await nonce()).to.equal(before + 1);
    expect(Number(await paidPrice())).to.be.within(Number(fee), 2 * Number(fee));
  });

  it("replaces, at nearly the same price, a transaction that a node keeps out of its blocks", async () => {
    const price = await chainPrice();
    const before = await nonce();
    const kept = new Set<string>();
    const provider = new Proxy(client.provider, {
      get: (target, name) => {
        const value = Reflect.get(target, name);
        if (name !== "broadcastTransaction")
          return typeof value === "function" ? value.bind(target) : value;
        return async (raw: string) => {
          if (kept.size === 0 || kept.has(raw)) return void kept.add(raw);
          return target.broadcastTransaction(raw);
        };
      },
    });
    let blocks = 0;
    const clock = clockWith(1_000, async () => {
      await market.chain.mine();
      blocks++;
    });
    await submitter({ client: { ...client, provider }, clock }).submit(accept(), live);
    expect(await state()).to.equal("Accepted");
    expect(await nonce()).to.equal(before + 1);
    expect(blocks).to.be.within(15, 40);
    expect(Number(await paidPrice())).to.be.at.most(2 * Number(price));
  });

  it("bids at most MAX_GAS_PRICE, warns once that the chain asks for more, and waits for it to fall", async () => {
    await automine(false);
    let highest = 0n;
    const clock = clockWith(20_000, async (pauses) => {
      const { raw } = store.openTransactions()[0]!.versions.at(-1)!;
      const { maxFeePerGas } = Transaction.from(raw);
      if (maxFeePerGas! > highest) highest = maxFeePerGas!;
      await setBaseFee(pauses < 20 ? 3n * MAX_GAS_PRICE : GWEI);
      await market.chain.mine();
      if (pauses < 20) await gasMoney.refresh();
      if (pauses === 19)
        expect(readiness.reasons().map(({ name }) => name)).to.deep.equal(["gas-price"]);
    });
    await submitter({ clock }).submit(accept(), live);
    expect(await state()).to.equal("Accepted");
    expect(highest).to.equal(MAX_GAS_PRICE);
    expect(lines.filter(({ msg }) => /above MAX_GAS_PRICE/.test(String(msg)))).to.have.length(1);
    await gasMoney.refresh();
    expect(readiness.reasons()).to.deep.equal([]);
  });

  it("signs nothing that the wallet cannot pay, warns once, and continues after a refill", async () => {
    await setBalance(0n);
    const before = await nonce();
    const lane = submitter();
    for (let tries = 0; tries < 3; tries++) {
      const error = (await failureOf(lane.submit(accept(), live))) as ProviderError;
      expect(error).to.include({ retryable: true, isReported: true });
    }
    expect(store.openTransactions()).to.deep.equal([]);
    const said = lines.filter(({ level }) => Number(level) >= 40);
    expect(said).to.have.length(1);
    expect(said[0]).to.include({
      level: 50,
      address: market.provider.address,
      balance: "0",
    });
    expect(Number(said[0]!.needed)).to.be.greaterThan(0);
    expect(readiness.reasons().map(({ name }) => name)).to.deep.equal(["gas"]);
    expect(readiness.reasons()[0]!.message).to.include(market.provider.address);

    await setBalance(10n ** 18n);
    await lane.submit(accept(), live);
    expect(await nonce()).to.equal(before + 1);
    await gasMoney.refresh();
    expect(readiness.reasons()).to.deep.equal([]);
  });

  it("reports that the wallet cannot pay a storage fee in the same way as for gas", async () => {
    await setBalance(10n ** 17n);
    const call = { to: market.user.address, data: "0x", value: 10n ** 18n } as Submission["call"];
    const upload = { id, step: "upload" as const, call, isDone: async () => false };
    const error = (await failureOf(submitter().submit(upload, live))) as ProviderError;
    expect(error).to.include({ retryable: true, isReported: true });
    expect(lines.filter(({ level }) => level === 50)[0]).to.include({
      needed: "1",
    });
    expect(readiness.reasons().map(({ name }) => name)).to.deep.equal(["gas"]);
  });

  it("raises no fee of a transaction that the node refuses for lack of OG, and gets it mined at the chain's price after a refill", async () => {
    const dying = dyingAtBroadcast();
    await failureOf(submitter({ client: dying.client }).submit(accept(), dying.signal));
    await setBalance(0n);
    const price = await chainPrice();
    const versions = new Set<string>();
    const clock = clockWith(20_000, async (pauses) => {
      for (const { raw } of store.openTransactions()[0]!.versions) versions.add(raw);
      await market.chain.mine();
      if (pauses === 40) await setBalance(10n ** 18n);
    });
    await submitter({ clock }).submit(accept(), live);
    expect(await state()).to.equal("Accepted");
    expect(versions.size).to.equal(1);
    expect(Number(await paidPrice())).to.be.at.most(2 * Number(price));
    const said = lines.filter(({ level }) => Number(level) >= 50);
    expect(said.map(({ msg }) => msg)).to.deep.equal([
      "the operator's wallet has too little OG for gas",
    ]);
  });

  it("signs a transaction again at the current price if its price is outdated", async () => {
    await setBaseFee(40n * GWEI);
    await market.chain.mine();
    const dying = dyingAtBroadcast();
    await failureOf(submitter({ client: dying.client }).submit(accept(), dying.signal));
    await setBaseFee(GWEI);
    await market.chain.mine();
    await setBalance(10n ** 15n); // enough at the current price, and not at the old one
    const before = await nonce();
    await submitter({ clock: clockWith(20_000, async () => undefined) }).submit(accept(), live);
    expect(await state()).to.equal("Accepted");
    expect(await nonce()).to.equal(before + 1);
    expect(Number(await paidPrice())).to.be.at.most(Number(4n * GWEI));
  });

  it("discloses no key after its deadline if no node accepted the transaction in time", async () => {
    await setBalance(0n);
    let isLate = false;
    const requireTime = async () => {
      if (isLate) throw new ProviderError("too late", { retryable: true, hint: "" });
    };
    const dying = dyingAtBroadcast();
    await setBalance(10n ** 18n);
    await failureOf(submitter({ client: dying.client }).submit(accept(), dying.signal));
    await setBalance(0n);
    const clock = clockWith(20_000, async (pauses) => {
      if (pauses < 3) return;
      isLate = true;
      await setBalance(10n ** 18n);
    });
    const error = await failureOf(submitter({ clock }).submit({ ...accept(), requireTime }, live));
    expect(error.message).to.equal("too late");
    expect(await state()).to.equal("Created");
  });

  it("logs the node's reason for a rejection once", async () => {
    const words = "replacement transaction underpriced";
    let refusals = 0;
    const provider = new Proxy(client.provider, {
      get: (target, name) => {
        if (name === "broadcastTransaction" && refusals++ < 5)
          return async () => {
            throw Object.assign(new Error(words), { error: { code: -32000, message: words } });
          };
        const value = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const clock = clockWith(20_000, async () => undefined);
    await submitter({ client: { ...client, provider }, clock }).submit(accept(), live);
    expect(refusals).to.be.greaterThan(5);
    const said = lines.filter(({ msg }) => msg === "the node refused the transaction");
    expect(said).to.have.length(1);
    expect(said[0]).to.include({ level: 40, refusal: "underpriced" });
    expect(said[0]!.words).to.include(words);
  });

  it("sends nothing to another chain with the same chain id, and says so", async () => {
    genesis = `0x${"ab".repeat(32)}`; // of the chain that the state belongs to
    try {
      const before = await nonce();
      for (let tries = 0; tries < 2; tries++) {
        const error = await failureOf(submitter().submit(accept(), live));
        expect(error.message).to.match(/another chain/);
      }
      expect(await nonce("pending")).to.equal(before);
      expect(store.highestNonce()).to.equal(null);
      expect(readiness.reasons().map(({ name }) => name)).to.deep.equal(["other-chain"]);
      expect(lines.filter(({ level }) => level === 50)).to.have.length(1);
    } finally {
      genesis = (await client.provider.getBlock(0))!.hash!;
    }
    await submitter().submit(accept(), live);
    expect(readiness.reasons()).to.deep.equal([]);
  });

  it("waits for the configured number of confirmations of a transaction", async () => {
    let ended = false;
    const sending = submitter({ confirmations: 2 })
      .submit(accept(), live)
      .then(() => {
        ended = true;
      });
    while ((await state()) !== "Accepted");
    await market.chain.mine();
    expect(ended).to.equal(false);
    await market.chain.mine();
    await sending;
  });

  it("rebroadcasts the same transaction after a reorganization, and signs no other", async () => {
    const fork = await market.chain.snapshot();
    await submitter().submit(accept(), live);
    const after = await nonce();
    await market.chain.revert(fork); // the store does not know yet
    await market.chain.mine();
    await submitter().submit(accept(), live);
    expect(await state()).to.equal("Accepted");
    expect(await nonce()).to.equal(after);
    expect(store.highestNonce()).to.equal(after - 1);
  });

  it("uses no nonce twice if a lagging node reports it as free", async () => {
    await submitter().submit(accept(), live);
    const used = await nonce();
    const provider = new Proxy(client.provider, {
      get: (target, name) => {
        if (name === "getTransactionCount") return async () => used - 1;
        const value = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const fail = {
      id,
      step: "fail" as const,
      call: failTask(client, { id, reason: "Unspecified" }),
      isDone: async () => false,
    };
    await submitter({ client: { ...client, provider } }).submit(fail, live);
    expect(await state()).to.equal("Failed");
    expect(store.openTransactions()).to.deep.equal([]);
  });

  it("fills a nonce that is no longer needed, so that later ones get through", async () => {
    const fork = await market.chain.snapshot();
    await submitter().submit(accept(), live);
    const gap = (await nonce()) - 1;
    await market.chain.revert(fork);
    await send(user, cancelTask(user, { id })); // in the new chain, the acceptance is no longer wanted
    const other = await market.order({}, user);
    const job = { ...newJob(), chain: "Created" as const, pending: "accept" as const };
    const order = await getTaskOrder(user, await getTask(user, { id: other }));
    store.putJob({
      id: other,
      user: market.user.address,
      fee: 1n,
      order,
      blockNumber: 1,
      job,
      facts: {},
    });
    const waiting = submitter().submit(accept(other), live);
    const tending = submitter();
    while (store.highestNonce() !== gap + 1) await systemClock.sleep(10, live);
    await tending.unblock(live);
    expect(await nonce()).to.equal(gap); // a lagging node would say the same: it is asked twice
    await tending.unblock(live);
    await waiting;
    expect((await getTask(client, { id: other })).state).to.equal("Accepted");
    expect(await state()).to.equal("Cancelled");
    expect(await nonce()).to.equal(gap + 2);
  });
});
