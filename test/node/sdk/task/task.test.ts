import { expect } from "chai";
import { getBytes, hexlify, id as keccakOfText, toUtf8Bytes } from "ethers";
import { after, before, beforeEach, describe, it } from "mocha";
import { getSubAccount } from "../../../../sdk/account/getSubAccount.ts";
import { deliver, expire, finalize, lapse } from "../../../../sdk/deliverable/calls.ts";
import { blindRoot, sharedBlind } from "../../../../sdk/exchange/blind.ts";
import { formatTaskId, type Root, type TaskId } from "../../../../sdk/ids.ts";
import { updateService } from "../../../../sdk/service/calls.ts";
import { getService } from "../../../../sdk/service/getService.ts";
import {
  acceptTask,
  cancelTask,
  createTask,
  failTask,
  settleCancelled,
} from "../../../../sdk/task/calls.ts";
import { consentToSettlement } from "../../../../sdk/task/consentToSettlement.ts";
import { FAIL_REASONS } from "../../../../sdk/task/FailReason.ts";
import { getTask } from "../../../../sdk/task/getTask.ts";
import { getTaskOrder } from "../../../../sdk/task/getTaskOrder.ts";
import { listTasks } from "../../../../sdk/task/listTasks.ts";
import { prepareOrder } from "../../../../sdk/task/prepareOrder.ts";
import { searchTaskEvents } from "../../../../sdk/task/searchTaskEvents.ts";
import { encodeOrder } from "../../../../sdk/task/TaskOrder.ts";
import { fetchTaskEvents } from "../../../../sdk/task/taskEvents.ts";
import { servingCall } from "../../../../sdk/transaction/buildCall.ts";
import { send } from "../../../../sdk/transaction/send.ts";
import {
  DATASET_ROOT,
  ENCRYPTION_SECRET,
  MarketFixture,
  MODEL,
} from "../../../helpers/MarketFixture.ts";
import { rejection } from "../../../helpers/rejection.ts";

const FEE = 10n ** 9n;
const BOND = (FEE * 3n) / 2n;

describe("sdk/task", () => {
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

  const prepare = async (client = market.user) =>
    prepareOrder(client, {
      service: await getService(client, { provider: market.provider.address }),
      model: MODEL,
      datasetRoot: DATASET_ROOT,
      validationRoot: keccakOfText("validation") as Root,
      units: 1_000_000n,
      maxFee: FEE,
      config: { n_epochs: 2, learning_rate: 1e-4 },
    });
  const cancel = (id: TaskId) => send(market.user, cancelTask(market.user, { id }));
  const accept = (id: TaskId) => send(market.provider, acceptTask(market.provider, { id }));
  const task = (id: TaskId) => getTask(market.reader, { id });
  const reserved = async (account: string) => {
    const { address: provider } = market.provider;
    return (await getSubAccount(market.reader, { account, provider })).reserved;
  };

  it("creates the task under the id that the order predicted, with its fee reserved", async () => {
    const { id, order } = await prepare();
    await send(market.user, createTask(market.user, { order }));
    expect(await task(id)).to.deep.include({
      id,
      user: market.user.address,
      provider: market.provider.address,
      state: "Created",
      progress: "Init",
      deadline: order.validUntil,
      trainingTime: 3_600,
      fee: FEE,
      paid: 0n,
      bondBps: 15_000,
      unacknowledgedBps: 3_000,
      size: 0,
      root: null,
      exchange: order.blindRoot,
    });
    expect(await reserved(market.user.address)).to.equal(FEE);
  });

  it("binds the order to keys that only user and provider can derive", async () => {
    const { order } = await prepare();
    const u = sharedBlind(ENCRYPTION_SECRET, getBytes(order.userKey));
    expect(hexlify(blindRoot(u))).to.equal(order.blindRoot);
  });

  it("prepares the same order again, and a different one for the next task", async () => {
    const first = await prepare();
    expect(await prepare()).to.deep.equal(first);
    await send(market.user, createTask(market.user, { order: first.order }));
    const second = await prepare();
    expect(second.id).not.to.equal(first.id);
    expect(second.order.nonce).to.equal(1n);
    expect(second.order.userKey).not.to.equal(first.order.userKey);
  });

  it("refuses a wallet with non-deterministic signatures", async () => {
    const { user } = market;
    let count = 0;
    const signer = Object.create(user.signer!, {
      signTypedData: { value: async () => `0x${(++count).toString(16).padStart(130, "0")}` },
    });
    const error = await rejection(prepare({ ...user, signer }));
    expect(error.code).to.equal("usage");
    expect(error.message).to.contain("not deterministic");
  });

  it("reads back from the chain what was ordered, and when", async () => {
    const { id, order } = await prepare();
    const receipt = await send(market.user, createTask(market.user, { order }));
    const block = await market.reader.provider.getBlock(receipt.blockNumber);
    expect(await getTaskOrder(market.reader, await task(id))).to.deep.equal({
      ...order,
      createdAt: new Date(block!.timestamp * 1_000),
      blockNumber: receipt.blockNumber,
    });
    expect(order.config).to.deep.equal({ n_epochs: 2, learning_rate: 1e-4 });
  });

  it("reads a missing validation dataset as null, and a config that is not valid as null, too", async () => {
    const { id, order } = await prepare();
    const encoded = encodeOrder({ ...order, validationRoot: null });
    const config = Uint8Array.of(...toUtf8Bytes('{"suffix":"'), 0xff, ...toUtf8Bytes('"}'));
    await send(market.user, servingCall(market.user, "createTask", [{ ...encoded, config }]));
    const read = await getTaskOrder(market.reader, await task(id));
    expect(read.validationRoot).to.equal(null);
    expect(read.config).to.equal(null);
  });

  it("does not find tasks that do not exist", async () => {
    const id = `0x${"ab".repeat(16)}` as TaskId;
    const missing = await rejection(getTask(market.reader, { id }));
    expect(missing.code).to.equal("not-found");
    expect(missing.message).to.contain(formatTaskId(id));
    expect(missing.next).to.deep.equal({ verb: "listTasks", parameters: {} });
    const error = await rejection(cancel(id));
    expect(error.code).to.equal("not-found");
  });

  it("refuses an order whose number is taken, instead of placing it twice", async () => {
    const { id, order } = await prepare();
    const call = createTask(market.user, { order });
    await send(market.user, call);
    await cancel(id);
    const stale = await rejection(send(market.user, call));
    expect(stale.code).to.equal("reverted");
    expect(stale.message).to.contain("this order has number 0, but 1 is next");
    expect(stale.next).to.deep.equal({ verb: "listTasks", parameters: {} });
  });

  it("names the provider and its limit if a user has too many open tasks", async () => {
    await market.order();
    const error = await rejection(market.order());
    expect(error.code).to.equal("declined");
    expect(error.exitCode).to.equal(7);
    expect(error.message).to.equal(
      `You have an open task at ${market.provider.address}, which allows 1 at a time.`,
    );
    expect(error.next).to.deep.equal({
      verb: "cancelTask",
      parameters: { provider: market.provider.address },
    });
  });

  it("refuses every order under other terms than those of the quote", async () => {
    const { order } = await prepare();
    const { provider, terms } = market;
    for (const change of [{ pricePerUnit: terms.pricePerUnit + 1n }, { bondBps: 10_000 }]) {
      await send(provider, updateService(provider, { terms: { ...terms, ...change } }));
      const error = await rejection(send(market.user, createTask(market.user, { order })));
      expect(error.code).to.equal("declined");
      expect(error.message).to.equal("The provider has changed its terms since the quote.");
    }
  });

  it("refuses to pay more than the order allows", async () => {
    const { order } = await prepare();
    const cheap = { ...order, maxFee: FEE - 1n };
    const error = await rejection(send(market.user, createTask(market.user, { order: cheap })));
    expect(error.code).to.equal("declined");
    expect(error.message).to.equal(
      "The fee is 0.000000001 OG now, more than the 0.000000000999999999 OG of the quote.",
    );
  });

  it("keeps an order for a day: then nobody accepts it, and anyone frees its fee", async () => {
    const { stranger, provider } = market;
    const { id, order } = await prepare();
    await send(market.user, createTask(market.user, { order }));
    const early = await rejection(send(stranger, cancelTask(stranger, { id })));
    expect(early.code).to.equal("reverted");
    await market.chain.increaseTime(86_400);
    const late = await rejection(send(provider, acceptTask(provider, { id })));
    expect(late.message).to.contain(new Date(order.validUntil * 1_000).toISOString());
    await send(stranger, cancelTask(stranger, { id }));
    expect(await task(id)).to.include({ state: "Cancelled" });
    const again = await rejection(send(market.user, createTask(market.user, { order })));
    expect(again.message).to.equal("The order is no longer valid.");
  });

  it("reports what is missing if the fee exceeds the account", async () => {
    const { user } = market;
    const { order } = await prepare();
    const big = { ...order, units: 2n * 10n ** 15n, maxFee: 2n ** 96n - 1n };
    const error = await rejection(send(user, createTask(user, { order: big })));
    expect(error.code).to.equal("insufficient-funds");
    expect(error.hint).to.equal("Add funds.");
    expect(error.next).to.deep.equal({ verb: "deposit", parameters: { amount: 10n ** 18n } });
  });

  it("distinguishes a wallet without account, a paused provider, a provider's own order and a big config", async () => {
    const { stranger, provider, user, terms } = market;
    const { order } = await prepare(stranger);
    const poor = await rejection(send(stranger, createTask(stranger, { order })));
    expect(poor.code).to.equal("insufficient-funds");
    expect(poor.hint).to.equal("Open an account, or allow that much.");
    expect(poor.next).to.deep.equal({ verb: "openAccount", parameters: { amount: 10n ** 17n } });
    const own = await rejection(send(provider, createTask(provider, { order })));
    expect(own.code).to.equal("usage");
    const large = { ...encodeOrder(order), config: new Uint8Array(8_193) };
    const config = await rejection(send(user, servingCall(user, "createTask", [large])));
    expect(config.message).to.equal("The configuration has 8193 bytes, and 8192 are allowed.");
    await send(provider, updateService(provider, { terms: { ...terms, accepting: false } }));
    const paused = await rejection(send(user, createTask(user, { order })));
    expect(paused.code).to.equal("declined");
    expect(paused.message).to.contain("does not accept tasks");
  });

  it("cancels before acceptance, returns the fee, and says why it cannot later", async () => {
    const id = await market.order();
    await cancel(id);
    expect(await task(id)).to.include({ state: "Cancelled", progress: "Failed" });
    expect(await reserved(market.user.address)).to.equal(0n);

    const next = await market.order();
    await accept(next);
    const error = await rejection(cancel(next));
    expect(error.code).to.equal("reverted");
    expect(error.message).to.equal(
      `Task ${formatTaskId(next)} is Accepted, which does not allow this.`,
    );
    expect(error.next).to.deep.equal({ verb: "getTask", parameters: { id: next } });
  });

  it("allows only the parties to act", async () => {
    const id = await market.order();
    const { stranger } = market;
    const cancelled = await rejection(send(stranger, cancelTask(stranger, { id })));
    expect(cancelled.message).to.contain(`not ordered by ${stranger.address}`);
    const accepted = await rejection(send(stranger, acceptTask(stranger, { id })));
    expect(accepted.message).to.contain(`${stranger.address} is not the operator`);
  });

  it("reserves the quoted bond on acceptance, and frees fee and bond on failure with a reason", async () => {
    const { provider, user, chain } = market;
    const id = await market.order();
    await accept(id);
    expect(await reserved(provider.address)).to.equal(chain.parameters.minimumStake + BOND);
    expect(await task(id)).to.include({ state: "Accepted", progress: "SettingUp" });
    const reason = "DatasetLargerThanDeclared";
    const receipt = await send(provider, failTask(provider, { id, reason }));
    expect(await task(id)).to.include({ state: "Failed", progress: "Failed" });
    expect(await reserved(provider.address)).to.equal(chain.parameters.minimumStake);
    expect(await reserved(user.address)).to.equal(0n);
    const { blockNumber } = receipt;
    const event = (await fetchTaskEvents(market.reader, await task(id))).at(-1);
    expect(event!.blockNumber).to.equal(blockNumber);
    expect(event).to.include({ name: "TaskFailed", id, reason });
    expect((event as { compensation: bigint }).compensation < BOND / 100n).to.equal(true); // seconds of an hour
  });

  it("knows every reason by its name on chain", async () => {
    for (const reason of FAIL_REASONS) {
      const id = await market.order();
      await send(market.provider, failTask(market.provider, { id, reason }));
      const event = (await fetchTaskEvents(market.reader, await task(id))).at(-1);
      expect(event).to.include({ name: "TaskFailed", reason });
    }
  });

  it("lists a user's tasks oldest first, and nobody else's", async () => {
    const ids: TaskId[] = [];
    for (let i = 0; i < 3; i++) {
      ids.push(await market.order());
      await cancel(ids.at(-1)!);
    }
    const { user, provider, stranger, reader } = market;
    const mine = await listTasks(reader, { user: user.address, provider: provider.address });
    expect(mine.map(({ id }) => id)).to.deep.equal(ids);
    expect(
      await listTasks(reader, { user: stranger.address, provider: provider.address }),
    ).to.deep.equal([]);
    expect(
      await listTasks(reader, { user: user.address, provider: stranger.address }),
    ).to.deep.equal([]);
  });

  it("returns the whole history of tasks in the order of the chain", async () => {
    const fromBlock = (await market.reader.provider.getBlockNumber()) + 1;
    const first = await market.order();
    await cancel(first);
    const { id, order } = await prepare();
    await send(market.user, createTask(market.user, { order }));
    await accept(id);
    const toBlock = await market.reader.provider.getBlockNumber();
    const provider = market.provider.address;
    const events = await searchTaskEvents(market.reader, { provider, fromBlock, toBlock });
    expect(events.map((event) => [event.name, event.id])).to.deep.equal([
      ["TaskCreated", first],
      ["TaskCancelled", first],
      ["TaskCreated", id],
      ["TaskAccepted", id],
    ]);
    expect(events[2]).to.deep.include({
      user: market.user.address,
      provider: market.provider.address,
      fee: FEE,
      order,
    });
    const block = await market.reader.provider.getBlock(toBlock);
    expect(events[3]).to.deep.include({
      bond: BOND,
      deadline: block!.timestamp + 3_600,
      blockNumber: toBlock,
      blockHash: block!.hash,
      transactionHash: block!.transactions[0],
    });
    expect(
      await searchTaskEvents(market.reader, { provider, fromBlock, toBlock: fromBlock - 1 }),
    ).to.deep.equal([]);
  });

  it("returns the fee and a quarter of the bond if the training deadline is missed", async () => {
    const { stranger, user, provider, reader } = market;
    const id = await market.order();
    await accept(id);
    const early = await rejection(send(stranger, expire(stranger, { id })));
    expect(early.code).to.equal("too-early");
    expect(early.message).to.contain(new Date((await task(id)).deadline * 1_000).toISOString());
    await market.chain.increaseTime(3_601);
    await send(stranger, expire(stranger, { id }));
    expect(await task(id)).to.include({ state: "Expired", progress: "Failed" });
    const sub = { account: user.address, provider: provider.address };
    expect((await getSubAccount(reader, sub)).free).to.equal(FEE);
    const late = await rejection(send(provider, failTask(provider, { id, reason: "Unspecified" })));
    expect(late.code).to.equal("reverted");
  });

  it("pays the agreed share of a delivery that nobody acknowledged", async () => {
    const { provider, stranger } = market;
    const id = await market.order();
    await accept(id);
    const bytes32 = keccakOfText("any");
    const delivery = {
      id,
      size: 1,
      fee: FEE,
      root: bytes32 as Root,
      contentRoot: bytes32,
      keyCommit: bytes32,
      receiptRoot: bytes32,
    };
    await send(provider, deliver(provider, { delivery }));
    await send(stranger, finalize(stranger, { ids: [id] })); // not due: skipped
    expect((await task(id)).state).to.equal("Delivered");
    await market.chain.increaseTime(market.chain.parameters.ackPeriod + 1n);
    await send(stranger, lapse(stranger, { id }));
    expect(await task(id)).to.include({ state: "Lapsed", paid: (FEE * 3n) / 10n });
  });

  it("ends a running task for the part of the fee that its user signed for", async () => {
    const { user, provider, stranger } = market;
    const id = await market.order();
    await accept(id);
    const terms = { id, amount: FEE / 4n, deadline: (await task(id)).deadline };
    const forged = await consentToSettlement(stranger, terms);
    const error = await rejection(send(provider, settleCancelled(provider, forged)));
    expect(error.code).to.equal("integrity");
    const consent = await consentToSettlement(user, terms);
    const more = { ...consent, amount: FEE / 2n };
    const raised = await rejection(send(provider, settleCancelled(provider, more)));
    expect(raised.code).to.equal("integrity");
    await send(provider, settleCancelled(provider, consent));
    expect(await task(id)).to.include({ state: "Settled", progress: "Finished", paid: FEE / 4n });
  });
});
