import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { createClient } from "../../../../sdk/client.ts";
import { parseTaskId, type TaskId } from "../../../../sdk/ids.ts";
import { acceptTask, failTask } from "../../../../sdk/task/calls.ts";
import { type WaitForStepParameters, waitForStep } from "../../../../sdk/task/waitForStep.ts";
import { send } from "../../../../sdk/transaction/send.ts";
import { RpcProxy } from "../../../faults/RpcProxy.ts";
import type { Random } from "../../../faults/seededRandom.ts";
import { rejection } from "../../../helpers/rejection.ts";
import type { CommandFixture } from "../../tasks/CommandFixture.ts";
import { deliverModel } from "../../tasks/deliverModel.ts";
import { type Orders, openOrders } from "../../tasks/orders.ts";

describe("sdk: waitForStep", () => {
  let orders: Orders;
  let market: CommandFixture;
  let uuid: string;
  let id: TaskId;
  beforeEach(async () => {
    orders = await openOrders();
    ({ market } = orders);
    ({ id: uuid } = await orders.create());
    id = parseTaskId(uuid);
  });
  afterEach(() => market.close());

  const wait = (more: Partial<WaitForStepParameters> = {}, client = market.user) =>
    waitForStep(client, { id, step: "acknowledge", ...more });
  const deliver = async () => {
    await send(market.provider, acceptTask(market.provider, { id }));
    await deliverModel(market, uuid, Buffer.from("a model"));
  };

  it("ends with the delivery, and at once when that has passed", async () => {
    const waiting = wait();
    await deliver();
    expect(await waiting).to.include({ id, state: "Delivered", size: 7 });
    expect(await wait({ timeout: 0 })).to.include({ state: "Delivered" });
    const late = await rejection(wait({ step: "decrypt", timeout: 1 }));
    expect(late.code).to.equal("timed-out");
    expect(late.message).to.contain("is still Delivered");
  });

  it("survives a node that fails for a while", async () => {
    let isBad = true;
    const random: Random = {
      next: () => (isBad ? 0 : 1),
      integer: (from) => from,
      pick: (choices) => choices[0]!,
    };
    const { rpcUrl, deployment, accounts } = market.chain;
    const proxy = await RpcProxy.start(rpcUrl, "server error", random);
    const { privateKey } = accounts[2]!;
    const { storageUrl } = market;
    const client = createClient({ rpcUrl: proxy.url, deployment, storageUrl, privateKey });
    try {
      await deliver();
      const waiting = wait({}, { ...client, address: market.user.address });
      expect(await waiting).to.include({ state: "Delivered" });
      expect(proxy.strikes).to.be.greaterThan(0);
    } finally {
      isBad = false;
      client.provider.destroy();
      await proxy.close();
    }
  });

  it("reports a provider that refuses the order, which is not on chain", async () => {
    const message = "The dataset has 9 tokens, more than the 5 declared.";
    market.daemon.status = {
      ...{ id: uuid, state: "refused", progress: "Failed", queuePosition: null, step: null },
      ...{ totalSteps: null, epoch: null, loss: null, tokensPerSecond: null, secondsLeft: null },
      ...{ lossBefore: null, lossAfter: null, accuracyBefore: null, accuracyAfter: null },
      failure: { code: "DatasetLargerThanDeclared", message, hint: "Count it." },
    };
    const error = await rejection(wait());
    expect(error.code).to.equal("declined");
    expect(error.message).to.contain("is not accepted").and.contain(message);
    expect(error.next).to.deep.equal({ verb: "cancelTask", parameters: { id } });
  });

  it("says whether the user's input or the provider is to blame for a failure", async () => {
    const { provider } = market;
    await send(provider, acceptTask(provider, { id }));
    await send(provider, failTask(provider, { id, reason: "DatasetInvalid" }));
    expect(await rejection(wait())).to.include({ code: "task-failed-by-input" });
  });

  it("reports an order that nobody accepted in time, and money that can be claimed", async () => {
    await market.chain.increaseTime(90_000n);
    const error = await rejection(wait());
    expect(error.code).to.equal("declined");
    expect(error.message).to.contain("You can claim");
  });

  it("ends with the signal's reason", async () => {
    const controller = new AbortController();
    const reason = new Error("stopped");
    const waiting = wait({ signal: controller.signal }).catch((error) => error);
    controller.abort(reason);
    expect(await waiting).to.equal(reason);
  });
});
