import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import pino from "pino";
import { Submitter } from "../../../../provider/chain/submitter.ts";
import { type Clock, systemClock } from "../../../../provider/clock.ts";
import { ProviderError } from "../../../../provider/errors.ts";
import { newJob } from "../../../../provider/jobs/machine.ts";
import { SqliteStore } from "../../../../provider/store/SqliteStore.ts";
import { openAccount } from "../../../../sdk/account/openAccount.ts";
import { type Client, requireSigner } from "../../../../sdk/client.ts";
import { ProtocolError } from "../../../../sdk/errors.ts";
import type { TaskId } from "../../../../sdk/ids.ts";
import { acceptTask } from "../../../../sdk/task/acceptTask.ts";
import { cancelTask } from "../../../../sdk/task/cancelTask.ts";
import { failTask } from "../../../../sdk/task/failTask.ts";
import { getTask } from "../../../../sdk/task/getTask.ts";
import { getTaskOrder } from "../../../../sdk/task/getTaskOrder.ts";
import { send } from "../../../../sdk/transaction/send.ts";
import { Marketplace } from "../marketplace.ts";

describe("submitter, on a real chain", () => {
  let market: Marketplace;
  let client: Client;
  let user: Client;
  let directory: string;
  let store: SqliteStore;
  let snapshot: string;
  let id: TaskId;

  before(async () => {
    market = await Marketplace.open();
    await market.register();
    client = market.client(1);
    user = market.client(2);
    await send(user, openAccount(user, { amount: 10n ** 18n }));
  });
  after(() => market.close());

  beforeEach(async () => {
    snapshot = await market.chain.snapshot();
    directory = mkdtempSync(join(tmpdir(), "anneal-submitter-"));
    store = openStore();
    id = await market.placeAny(user);
  });
  afterEach(async () => {
    await automine(true);
    store.close();
    rmSync(directory, { recursive: true });
    await market.chain.revert(snapshot);
  });

  const openStore = () => SqliteStore.open(directory);
  const automine = (on: boolean) => client.provider.send("evm_setAutomine", [on]);
  const nonce = (block = "latest") => client.provider.getTransactionCount(market.provider, block);
  const state = async () => (await getTask(client, { id })).state;

  const submitter = (options: { client?: Client; clock?: Clock; confirmations?: number } = {}) =>
    new Submitter({
      client: options.client ?? client,
      store,
      clock: options.clock ?? systemClock,
      log: pino({ level: "silent" }),
      confirmations: options.confirmations ?? 0,
      pollInterval: 10,
    });
  const accept = (task = id) => ({
    id: task,
    step: "accept" as const,
    call: acceptTask(client, { id: task }),
    isDone: async () => (await getTask(client, { id: task })).state !== "Created",
  });
  const live = new AbortController().signal;

  /** A client whose node drops what is broadcast, and a signal that ends the daemon at that moment. */
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

  it("makes an effect happen, with one transaction however often it is asked", async () => {
    const before = await nonce();
    await submitter().submit(accept(), live);
    expect(await state()).to.equal("Accepted");
    await submitter().submit(accept(), live);
    await submitter().submit(accept(), live);
    expect(await nonce()).to.equal(before + 1);
  });

  it("sends nothing when the chain says that it is done", async () => {
    await send(client, acceptTask(client, { id }));
    const before = await nonce();
    await submitter().submit(accept(), live);
    expect(await nonce()).to.equal(before);
  });

  it("broadcasts after a restart what it had signed before it died", async () => {
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
    expect(receipt?.status).to.equal(1); // that very transaction, no other
    expect(store.openTransactions()).to.deep.equal([]);
  });

  it("recognizes after a restart what was mined while it was dead", async () => {
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

  it("gives effects that come together nonces in a row", async () => {
    const other = await market.placeAny(user);
    const before = await nonce();
    const lane = submitter();
    await Promise.all([lane.submit(accept(), live), lane.submit(accept(other), live)]);
    expect(await nonce()).to.equal(before + 2);
    expect((await getTask(client, { id: other })).state).to.equal("Accepted");
  });

  it("takes no nonce for the same effect asked twice at the same time", async () => {
    const before = await nonce();
    const lane = submitter();
    await Promise.all([lane.submit(accept(), live), lane.submit(accept(), live)]);
    expect(await nonce()).to.equal(before + 1);
  });

  it("sends nothing that would revert, and says which error it would be", async () => {
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

  it("starts over when somebody else has used its nonce", async () => {
    const before = await nonce();
    const dying = dyingAtBroadcast();
    await failureOf(submitter({ client: dying.client }).submit(accept(), dying.signal));
    await requireSigner(client)
      .sendTransaction({ to: market.user, value: 1n })
      .then((sent) => sent.wait());

    const error = await failureOf(submitter().submit(accept(), live));
    expect(error.message).to.match(/lost/);
    await submitter().submit(accept(), live);
    expect(await state()).to.equal("Accepted");
    expect(await nonce()).to.equal(before + 2);
  });

  it("offers higher fees for the same nonce when nobody mines it", async () => {
    await automine(false);
    const before = await nonce();
    let now = 0;
    let first = "";
    const clock: Clock = {
      now: () => now,
      sleep: async () => {
        now += 10_000;
        first ||= store.openTransactions()[0]!.versions[0]!.hash;
        if (now > 90_000) await market.chain.mine();
      },
    };
    await submitter({ clock }).submit(accept(), live);
    expect(await state()).to.equal("Accepted");
    expect(await client.provider.getTransactionReceipt(first)).to.equal(null);
    expect(await nonce()).to.equal(before + 1);
  });

  it("waits until a transaction is as deep as it was told", async () => {
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

  it("offers the same transaction again when the chain took it back, and signs no other", async () => {
    const fork = await market.chain.snapshot();
    await submitter().submit(accept(), live);
    const after = await nonce();
    await market.chain.revert(fork); // nobody has told the store yet
    await market.chain.mine();
    await submitter().submit(accept(), live);
    expect(await state()).to.equal("Accepted");
    expect(await nonce()).to.equal(after);
    expect(store.highestNonce()).to.equal(after - 1);
  });

  it("uses no nonce twice because a lagging node says that it is free", async () => {
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

  it("fills a nonce that nobody needs any more, so that those behind it get through", async () => {
    const fork = await market.chain.snapshot();
    await submitter().submit(accept(), live);
    const gap = (await nonce()) - 1;
    await market.chain.revert(fork);
    await send(user, cancelTask(user, { id })); // in the new chain, the acceptance is wanted no longer
    const other = await market.placeAny(user);
    const job = { ...newJob(), chain: "Created" as const, pending: "accept" as const };
    const order = await getTaskOrder(user, { id: other });
    store.putJob({ id: other, user: market.user, fee: 1n, order, blockNumber: 1, job, facts: {} });
    const waiting = submitter().submit(accept(other), live);
    const tending = submitter();
    while (store.highestNonce() !== gap + 1) await systemClock.sleep(10, live);
    await tending.tend(live);
    expect(await nonce()).to.equal(gap); // a lagging node would say the same: it is asked twice
    await tending.tend(live);
    await waiting;
    expect((await getTask(client, { id: other })).state).to.equal("Accepted");
    expect(await state()).to.equal("Cancelled");
    expect(await nonce()).to.equal(gap + 2);
  });
});
