import { expect } from "chai";
import { keccak256 } from "ethers";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import type { Client } from "../../../../sdk/client.ts";
import { acknowledge, confirm, deliver, lapse, reveal } from "../../../../sdk/deliverable/calls.ts";
import { getDelivery } from "../../../../sdk/deliverable/getDelivery.ts";
import type { Root, TaskId } from "../../../../sdk/ids.ts";
import { getService } from "../../../../sdk/service/getService.ts";
import { acceptTask, cancelTask, createTask } from "../../../../sdk/task/calls.ts";
import { eventTimes, readEventPeriods } from "../../../../sdk/task/eventTimes.ts";
import { getTask } from "../../../../sdk/task/getTask.ts";
import { getTaskOrder } from "../../../../sdk/task/getTaskOrder.ts";
import { listOpenTasks } from "../../../../sdk/task/listOpenTasks.ts";
import { listTasks } from "../../../../sdk/task/listTasks.ts";
import { fetchTaskEvents } from "../../../../sdk/task/taskEvents.ts";
import { taskIdOf } from "../../../../sdk/taskIdOf.ts";
import { blockTimes } from "../../../../sdk/transaction/blockTimes.ts";
import { send } from "../../../../sdk/transaction/send.ts";
import { CountingEndpoint } from "../../../helpers/CountingEndpoint.ts";
import { MarketFixture } from "../../../helpers/MarketFixture.ts";
import { rejection } from "../../../helpers/rejection.ts";

const KEY = `0x${"5a".repeat(32)}`;
const KEY_COMMIT = keccak256(KEY);
const ROOT = `0x${"11".repeat(32)}` as Root;

describe("tasks, found without a search", () => {
  let market: MarketFixture;
  let endpoint: CountingEndpoint;
  let reader: Client;
  let snapshot: string;

  before(async () => {
    market = await MarketFixture.open({ openTasksPerUser: 200 });
    endpoint = await CountingEndpoint.start(market.chain.rpcUrl, { blocks: 1 });
    reader = market.through(endpoint.url);
  });
  after(async () => {
    await endpoint.close();
    await market.close();
  });
  beforeEach(async () => {
    snapshot = await market.chain.snapshot();
  });
  afterEach(async () => {
    endpoint.hidesLogs = false;
    await market.chain.revert(snapshot);
  });

  const mine = async (blocks: number) => {
    await reader.provider.send("hardhat_mine", [`0x${blocks.toString(16)}`]);
  };

  /** Ordered, accepted and delivered, with blocks between. */
  async function deliverTask(): Promise<TaskId> {
    const { provider } = market;
    const id = await market.order();
    await mine(2_000);
    await send(provider, acceptTask(provider, { id }));
    await mine(100);
    const { fee } = await getTask(reader, { id });
    const content = { size: 1_000, fee, root: ROOT, contentRoot: ROOT, receiptRoot: ROOT };
    await send(
      provider,
      deliver(provider, { delivery: { id, ...content, keyCommit: KEY_COMMIT } }),
    );
    return id;
  }

  /** Never acknowledged in time, acknowledged late, and paid. */
  async function finishLate(): Promise<TaskId> {
    const { user, provider, chain, stranger } = market;
    const id = await deliverTask();
    await chain.increaseTime(chain.parameters.ackPeriod + 1n);
    await mine(5_000);
    await send(stranger, lapse(stranger, { id }));
    await mine(3);
    await send(user, acknowledge(user, { id, root: ROOT }));
    const { blindRoot } = await getTaskOrder(reader, await getTask(reader, { id }));
    await send(provider, reveal(provider, { id, key: KEY, blindRoot, contentRoot: ROOT }));
    await mine(2_000);
    await send(user, confirm(user, { id }));
    return id;
  }

  it("computes ids as the contract does", async () => {
    const { user, provider, stranger } = market;
    for (const [a, b, nonce] of [
      [user, provider, 0n],
      [user, stranger, 1n],
      [stranger, provider, 2n ** 64n - 1n],
    ] as const) {
      expect(taskIdOf(reader, { user: a.address, provider: b.address, nonce })).to.equal(
        await reader.serving.taskIdOf(a.address, b.address, nonce),
      );
    }
  });

  it("follows every event of a task that lapsed and was acknowledged late, one block a request", async () => {
    const id = await finishLate();
    const task = await getTask(reader, { id });
    const { ranges } = await endpoint.count(async () => {
      const events = await fetchTaskEvents(reader, task);
      expect(events.map(({ name }) => name)).to.deep.equal([
        "TaskCreated",
        "TaskAccepted",
        "TaskDelivered",
        "TaskLapsed",
        "TaskAcknowledged",
        "KeyRevealed",
        "TaskSettled",
      ]);
    });
    expect(ranges).to.deep.equal(Array(7).fill(1));
  });

  it("tells the times of events by their deadlines, and reads two of seven blocks", async () => {
    const task = await getTask(reader, { id: await finishLate() });
    const [events, periods] = await Promise.all([
      fetchTaskEvents(reader, task),
      readEventPeriods(reader),
    ]);
    const blocks = await blockTimes(
      reader,
      events.map(({ blockNumber }) => blockNumber),
    );
    const { requests } = await endpoint.count(async () => {
      expect(await eventTimes(reader, task, { events, periods })).to.deep.equal(
        events.map(({ blockNumber }) => blocks.get(blockNumber)),
      );
    });
    expect(requests).to.equal(2);
  });

  it("reads order and delivery from the blocks that the task names", async () => {
    const id = await finishLate();
    const task = await getTask(reader, { id });
    const order = await endpoint.count(async () => {
      expect((await getTaskOrder(reader, task)).blockNumber).to.equal(task.createdBlock);
    });
    expect(order).to.deep.equal({ requests: 2, ranges: [1] });
    const delivery = await endpoint.count(async () => {
      expect(await getDelivery(reader, task)).to.include({ root: ROOT, key: KEY });
    });
    expect(delivery.ranges.every((blocks) => blocks === 1)).to.equal(true);
  });

  it("reads several events of a task in one block in their order", async () => {
    const { user, provider } = market;
    const { id, order } = await market.makeOrder();
    await reader.provider.send("evm_setAutomine", [false]);
    try {
      for (const { to, data } of [createTask(user, { order }), cancelTask(user, { id })]) {
        const transaction = { from: user.address, to, data, gas: "0xf4240" };
        await reader.provider.send("eth_sendTransaction", [transaction]);
      }
      await mine(1);
    } finally {
      await reader.provider.send("evm_setAutomine", [true]);
    }
    const task = await getTask(reader, { id });
    expect(task.movedBlock).to.equal(task.createdBlock);
    const { ranges } = await endpoint.count(async () => {
      const events = await fetchTaskEvents(reader, task);
      expect(events.map(({ name }) => name)).to.deep.equal(["TaskCreated", "TaskCancelled"]);
    });
    expect(ranges).to.deep.equal([1]);
    expect((await getTaskOrder(reader, task)).provider).to.equal(provider.address);
  });

  it("says that the node does not show an event, instead of a wrong answer", async () => {
    const task = await getTask(reader, { id: await finishLate() });
    endpoint.hidesLogs = true;
    const reads = [fetchTaskEvents, getTaskOrder, getDelivery];
    for (const read of reads) {
      const error = await rejection(read(reader, task));
      expect(error.code).to.equal("network");
      expect(error.message).to.match(/does not show the event .* recorded in block \d+/);
      expect(error.hint).to.match(/[Tt]ry again/);
    }
    endpoint.hidesLogs = false;
    const elsewhere = { ...task, movedBlock: task.movedBlock - 1 };
    expect((await rejection(fetchTaskEvents(reader, elsewhere))).code).to.equal("network");
  });

  it("lists any number of tasks with a request for each 30", async () => {
    const { user, provider } = market;
    const ids: TaskId[] = [];
    for (let index = 0; index < 31; index++) ids.push(await market.order());
    const at = { user: user.address, provider: provider.address };
    const { requests } = await endpoint.count(async () => {
      expect((await listTasks(reader, at)).map(({ id }) => id)).to.deep.equal(ids);
    });
    expect(requests).to.equal(2);
    const all = await endpoint.count(async () => {
      const tasks = await listTasks(reader, { user: user.address });
      expect(tasks.map(({ id }) => id)).to.deep.equal(ids);
    });
    expect(all).to.deep.equal({ requests: 3, ranges: [] });
    expect(await listTasks(reader, { user: market.stranger.address })).to.deep.equal([]);
  });

  it("finds a provider's open tasks among those of all its users", async () => {
    const { user, provider } = market;
    const ended = await market.order();
    await send(user, cancelTask(user, { id: ended }));
    const other = market.client(4);
    await market.openAccount(other, 10n ** 18n);
    const open = [await market.order(), await market.order({}, other)];
    const { counters } = await getService(reader, { provider: provider.address });
    const wanted = { provider: provider.address, count: counters.open };
    const { requests } = await endpoint.count(async () => {
      const tasks = await listOpenTasks(reader, wanted);
      expect(tasks.map(({ id }) => id)).to.have.members(open);
    });
    expect(requests).to.equal(3);
  });
});
