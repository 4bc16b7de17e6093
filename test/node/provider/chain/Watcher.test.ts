import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { zeroPadValue } from "ethers";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import pino from "pino";
import { ChainIdentity } from "../../../../provider/chain/ChainIdentity.ts";
import { Watcher } from "../../../../provider/chain/Watcher.ts";
import { type Clock, systemClock } from "../../../../provider/clock.ts";
import type { ProviderError } from "../../../../provider/errors.ts";
import { Readiness } from "../../../../provider/Readiness.ts";
import { readTaskState } from "../../../../provider/steps/parts/readTaskState.ts";
import { SqliteStore } from "../../../../provider/store/SqliteStore.ts";
import type { Client } from "../../../../sdk/client.ts";
import type { TaskId } from "../../../../sdk/ids.ts";
import { cancelTask } from "../../../../sdk/task/calls.ts";
import { send } from "../../../../sdk/transaction/send.ts";
import { CountingEndpoint } from "../../../helpers/CountingEndpoint.ts";
import { rejection } from "../../../helpers/rejection.ts";
import { DaemonFixture } from "../DaemonFixture.ts";

describe("watcher, on a real chain", () => {
  let market: DaemonFixture;
  let user: Client;
  let directory: string;
  let store: SqliteStore;
  let snapshot: string;
  let genesis: string;
  let readiness: Readiness;

  before(async () => {
    market = await DaemonFixture.open();
    await market.register();
    user = market.client(2);
    genesis = (await user.provider.getBlock(0))!.hash!;
    await market.openAccount(user, 10n ** 18n);
  });
  after(() => market.close());

  beforeEach(async () => {
    snapshot = await market.chain.snapshot();
    directory = mkdtempSync(join(tmpdir(), "anneal-watcher-"));
    store = openStore();
    readiness = new Readiness();
  });
  afterEach(async () => {
    store.close();
    rmSync(directory, { recursive: true });
    await market.chain.revert(snapshot);
  });

  const log = pino({ level: "silent" });
  const openStore = () => SqliteStore.open(directory);
  const watcher = (
    options: { confirmations?: number; provider?: string; client?: Client; clock?: Clock } = {},
  ) => makeWatcher(options.client ?? market.client(1), options);
  const makeWatcher = (
    client: Client,
    options: { confirmations?: number; provider?: string; clock?: Clock },
  ) =>
    new Watcher({
      client,
      provider: options.provider ?? market.provider.address,
      store,
      identity: new ChainIdentity({ client, genesis, readiness, log }),
      clock: options.clock ?? systemClock,
      log,
      confirmations: options.confirmations ?? 0,
      pollInterval: 10,
      onPoll: () => undefined,
    });
  const openIds = () => store.openJobs().map(({ id }) => id);

  it("sees every order, however many blocks it missed", async () => {
    const first = await market.order({}, user);
    await watcher().poll();
    for (let i = 0; i < 5; i++) await market.chain.mine();
    const second = await market.order({}, user);
    await watcher().poll(); // another one: the cursor is in the store
    expect(openIds()).to.have.members([first, second]);
    expect(store.job(first)?.order.units).to.equal(5n);
  });

  it("does nothing twice if it polls twice", async () => {
    const id = await market.order({}, user);
    const same = watcher();
    await same.poll();
    store.clearStale(id, store.staleness(id));
    await same.poll();
    await watcher().poll();
    expect(store.staleJobs(10)).to.deep.equal([]);
    expect(openIds()).to.deep.equal([id]);
  });

  it("ignores the tasks of other providers", async () => {
    await market.order({}, user);
    await watcher({ provider: market.user.address }).poll();
    expect(store.openJobs()).to.deep.equal([]);
  });

  it("makes a job stale with every event of its task", async () => {
    const id = await market.order({}, user);
    await watcher().poll();
    store.clearStale(id, store.staleness(id));
    await send(user, cancelTask(user, { id }));
    await watcher().poll();
    expect(store.staleJobs(10)).to.deep.equal([id]);
    expect(store.hasEvent(id, "TaskCancelled")).to.equal(true);
  });

  it("waits for the configured number of confirmations", async () => {
    const id = await market.order({}, user);
    const careful = watcher({ confirmations: 2 });
    await market.chain.mine();
    await careful.poll();
    expect(openIds()).to.deep.equal([]);
    await market.chain.mine();
    await careful.poll();
    expect(openIds()).to.deep.equal([id]);
  });

  it("loses no event if it crashes between reading and committing", async () => {
    const id = await market.order({}, user);
    const dying = watcher();
    store.putScannedBlock = () => {
      throw new Error("crash");
    };
    await dying.poll().then(
      () => expect.fail("did not die"),
      (error: Error) => expect(error.message).to.equal("crash"),
    );
    store.close();
    store = openStore();
    expect(openIds()).to.deep.equal([]); // neither the event nor the cursor
    await watcher().poll();
    expect(openIds()).to.deep.equal([id]);
  });

  it("rewinds after a reorganization, and follows the new chain", async () => {
    await watcher().poll();
    const fork = await market.chain.snapshot();
    const orphan = await market.order({}, user);
    await send(user, cancelTask(user, { id: orphan }));
    await watcher().poll();
    store.clearStale(orphan, store.staleness(orphan));

    await market.chain.revert(fork);
    for (let i = 0; i < 4; i++) await market.chain.mine(); // longer than the old one
    await watcher().poll();
    expect(store.hasEvent(orphan, "TaskCreated")).to.equal(false);
    expect(store.staleJobs(10)).to.deep.equal([orphan]);

    const again = await market.order({}, user); // the same number, so the same id
    await watcher().poll();
    expect(again).to.equal(orphan);
    expect(store.hasEvent(again, "TaskCreated")).to.equal(true);
    expect(store.hasEvent(again, "TaskCancelled")).to.equal(false);
  });

  it("restarts a job if a reorganization gave its id to another order", async () => {
    await watcher().poll();
    const fork = await market.chain.snapshot();
    const id = await market.order({}, user);
    await watcher().poll();
    const before = store.job(id)!;
    store.putJob({ ...before, job: { ...before.job, work: "trained" }, facts: { archive: "aa" } });
    await market.chain.revert(fork);
    await market.chain.mine();
    await market.order({ units: 6n }, user);
    await watcher().poll();
    expect(store.job(id)?.order.units).to.equal(6n);
    expect(store.job(id)?.job.work).to.equal("none");
    expect(store.job(id)?.facts).to.deep.equal({});
  });

  it("does not mistake a lagging endpoint for a reorganization", async () => {
    const fork = await market.chain.snapshot();
    const id = await market.order({}, user);
    await market.chain.mine();
    await watcher().poll();
    store.clearStale(id, store.staleness(id));
    await market.chain.revert(fork);
    const error = await watcher()
      .poll()
      .then(
        () => expect.fail("did not notice"),
        (error: Error) => error,
      );
    expect(error.message).to.match(/behind/);
    expect(store.hasEvent(id, "TaskCreated")).to.equal(true);
    expect(store.staleJobs(10)).to.deep.equal([]);
  });

  it("keeps its cursor while the chain does not answer, and continues afterwards", async () => {
    const id = await market.order({}, user);
    let broken = true;
    const client = market.client(1);
    const provider = new Proxy(client.provider, {
      get: (target, name) => {
        if (name === "getLogs" && broken) return () => Promise.reject(new Error("503"));
        const value = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const flaky = watcher({ client: { ...client, provider } });
    await flaky.poll().then(
      () => expect.fail("did not fail"),
      () => undefined,
    );
    broken = false;
    await flaky.poll();
    expect(openIds()).to.deep.equal([id]);
  });

  /** A client whose endpoint answers some requests incorrectly. */
  const lying = (lies: Record<string, (...args: never[]) => Promise<unknown>>): Client => {
    const client = market.client(1);
    const provider = new Proxy(client.provider, {
      get: (target, name) => {
        const value = lies[String(name)] ?? Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    return { ...client, provider };
  };

  it("asks another endpoint if no block has come for a minute, and then again after one", async () => {
    let now = 0;
    let switched = 0;
    const client = lying({
      switchEndpoint: async () => {
        switched++;
      },
    });
    const patient = watcher({ client, clock: { ...systemClock, now: () => now } });
    const lookAt = async (seconds: number) => {
      now = seconds * 1_000;
      await patient.poll();
      return switched;
    };
    expect(await lookAt(0)).to.equal(0);
    expect(await lookAt(59)).to.equal(0);
    expect(await lookAt(60)).to.equal(1);
    expect(await lookAt(100)).to.equal(1);
    expect(await lookAt(120)).to.equal(2);
    await market.chain.mine();
    expect(await lookAt(180)).to.equal(2);
  });

  it("notices an order whose log was withheld for long, by the chain's own count", async () => {
    const deaf = watcher({ client: lying({ getLogs: async () => [] }) });
    const id = await market.order({}, user);
    for (let block = 0; block < 40; block++) await market.chain.mine();
    expect((await rejection(deaf.poll())).message).to.match(/does not show the event/);
    expect(openIds()).to.deep.equal([]);
    const same = watcher();
    await same.poll();
    expect(openIds()).to.deep.equal([id]);
    expect(store.scannedBlocks()[0]!.number).to.equal(await user.provider.getBlockNumber());
  });

  it("notices an order although the endpoint omitted its log once", async () => {
    const id = await market.order({}, user);
    await rejection(watcher({ client: lying({ getLogs: async () => [] }) }).poll());
    expect(openIds()).to.deep.equal([]);
    await market.chain.mine();
    await watcher().poll();
    expect(openIds()).to.deep.equal([id]);
  });

  it("asks for the events of its own provider alone", async () => {
    const endpoint = await CountingEndpoint.start(market.chain.rpcUrl);
    const id = await market.order({}, user);
    await watcher({ client: market.through(endpoint.url) }).poll();
    await endpoint.close();
    expect(openIds()).to.deep.equal([id]);
    const [search] = endpoint.requests.filter(({ method }) => method === "eth_getLogs");
    const { topics } = search!.params[0] as { topics: (string | null)[] };
    const provider = zeroPadValue(market.provider.address, 32).toLowerCase();
    expect(topics).to.deep.equal([null, null, null, provider]);
  });

  const mineMany = (blocks: number) =>
    user.provider.send("hardhat_mine", [`0x${blocks.toString(16)}`]);

  for (const limits of [
    { blocks: 1_000, words: "limited to a 1,000 blocks range" },
    { blocks: 1_000 },
    { blocks: 10_000 },
    { results: 100, words: "query returned more than 100 results" },
  ]) {
    it(`misses nothing after 50,000 blocks, with at most 60 requests: ${JSON.stringify(limits)}`, async () => {
      await watcher().poll();
      const ids: string[] = [];
      for (const gap of [100, 17_000, 32_900]) {
        await mineMany(gap - 2);
        ids.push(await market.order({}, user));
        if (gap !== 32_900) await send(user, cancelTask(user, { id: ids.at(-1)! as TaskId }));
      }
      const endpoint = await CountingEndpoint.start(market.chain.rpcUrl, limits);
      const late = watcher({ client: market.through(endpoint.url) });
      const { requests } = await endpoint.count(() => late.poll());
      await endpoint.close();
      for (const id of ids) expect(store.hasEvent(id as TaskId, "TaskCreated")).to.equal(true);
      expect(store.scannedBlocks()[0]!.number).to.equal(await user.provider.getBlockNumber());
      expect(requests).to.be.at.most(60);
    });
  }

  it("continues where it stopped if it is interrupted while it catches up", async () => {
    await watcher().poll();
    const first = await market.order({}, user);
    await mineMany(70_000);
    const endpoint = await CountingEndpoint.start(market.chain.rpcUrl, { blocks: 1_000 });
    const stopped = new AbortController();
    const { putScannedBlock } = store;
    store.putScannedBlock = (mark) => {
      putScannedBlock.call(store, mark);
      stopped.abort();
    };
    await watcher({ client: market.through(endpoint.url) }).poll(stopped.signal);
    store.putScannedBlock = putScannedBlock;
    const reached = store.scannedBlocks()[0]!.number;
    expect(reached).to.be.within(30_000, 40_000);
    const rest = await endpoint.count(() =>
      watcher({ client: market.through(endpoint.url) }).poll(),
    );
    await endpoint.close();
    expect(rest.ranges.length).to.be.lessThan(45);
    expect(openIds()).to.deep.equal([first]);
    expect(store.scannedBlocks()[0]!.number).to.equal(await user.provider.getBlockNumber());
  });

  it("does not mistake another chain's answers for a reorganization", async () => {
    const id = await market.order({}, user);
    await watcher().poll();
    const block = (await user.provider.getBlock("latest"))!;
    const other = {
      number: block.number,
      timestamp: block.timestamp,
      hash: `0x${"ab".repeat(32)}`,
    };
    const elsewhere = watcher({ client: lying({ getBlock: async () => other }) });
    const error = await elsewhere.poll().then(
      () => expect.fail("did not notice"),
      (error: Error) => error,
    );
    expect(error.message).to.match(/another chain/);
    expect(store.hasEvent(id, "TaskCreated")).to.equal(true);
  });

  it("does not consider a task vanished because an endpoint does not show it", async () => {
    const id = await market.order({}, user);
    await watcher().poll();
    const unknown = `0x${"77".repeat(16)}` as typeof id;
    const blank = { taskOf: () => user.serving.taskOf(unknown) } as unknown as Client["serving"];
    const client = { ...market.client(1), serving: blank };
    const error = await readTaskState({ client, store }, id, 0).then(
      () => expect.fail("was believed"),
      (error: ProviderError) => error,
    );
    expect(error.retryable).to.equal(true);
    store.rewindTo(0); // the watcher has seen the creation vanish
    expect(await readTaskState({ client, store }, id, 0)).to.include({ state: "None" });
  });
});
