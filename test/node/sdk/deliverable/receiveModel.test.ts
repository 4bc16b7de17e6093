import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { proveMisbehaviour } from "../../../../sdk/deliverable/calls.ts";
import { findMisbehaviour } from "../../../../sdk/deliverable/findMisbehaviour.ts";
import {
  type ReceiveModelParameters,
  receiveModel,
} from "../../../../sdk/deliverable/receiveModel.ts";
import { PageMismatchError } from "../../../../sdk/exchange/PageMismatchError.ts";
import { formatTaskId, type TaskId } from "../../../../sdk/ids.ts";
import { orderTask } from "../../../../sdk/order/orderTask.ts";
import { getTask } from "../../../../sdk/task/getTask.ts";
import { send } from "../../../../sdk/transaction/send.ts";
import { rejection } from "../../../helpers/rejection.ts";
import type { CommandFixture } from "../../tasks/CommandFixture.ts";
import { deliverModel, revealKey } from "../../tasks/deliverModel.ts";
import { type Orders, openOrders } from "../../tasks/orders.ts";
import { acknowledged, makeArchive } from "../../tasks/providerSide.ts";

describe("sdk: receiveModel", () => {
  let orders: Orders;
  let market: CommandFixture;
  let archive: Buffer;
  let id: TaskId;
  let uuid: string;
  let outputPath: string;
  beforeEach(async () => {
    orders = await openOrders();
    ({ market } = orders);
    const what = { modelName: "tiny-qwen2", trainingFile: orders.dataset, config: {} };
    ({ id } = await orderTask(market.user, what));
    uuid = formatTaskId(id);
    archive = await makeArchive(market.folder);
    outputPath = join(market.folder, "received.zip");
    await orders.accept(uuid);
  });
  afterEach(() => market.close());

  const receive = (more: Partial<ReceiveModelParameters> = {}) =>
    receiveModel(market.user, { id, outputPath, ...more });
  const stateOf = async () => (await getTask(market.user, { id })).state;
  const reveal = async () => {
    await acknowledged(market, uuid);
    await revealKey(market, uuid);
  };

  it("waits for the delivery, and leads to the archive on disk and the provider's pay", async () => {
    const receiving = receive();
    await deliverModel(market, uuid, archive);
    await reveal();
    const received = await receiving;
    expect(received).to.include({ path: outputPath, size: archive.length });
    expect(received.acknowledged).to.match(/^0x[0-9a-f]{64}$/);
    expect(received.confirmed).to.match(/^0x[0-9a-f]{64}$/);
    expect(readFileSync(outputPath).equals(archive)).to.equal(true);
    expect(existsSync(`${outputPath}.encrypted`)).to.equal(false);
    expect(await stateOf()).to.equal("Settled");
    expect(await receive()).to.include({ acknowledged: null, confirmed: null });
  });

  it("continues after an interruption while it waited for the key", async () => {
    await deliverModel(market, uuid, archive);
    const controller = new AbortController();
    const receiving = receive({ signal: controller.signal }).catch((error) => error);
    await acknowledged(market, uuid);
    const reason = new Error("stopped");
    controller.abort(reason);
    expect(await receiving).to.equal(reason);
    await revealKey(market, uuid);
    const received = await receive();
    expect(received.acknowledged).to.equal(null);
    expect(received.confirmed).to.match(/^0x[0-9a-f]{64}$/);
    expect(readFileSync(outputPath).equals(archive)).to.equal(true);
  });

  it("acknowledges after the deadline, too", async () => {
    await deliverModel(market, uuid, archive);
    const { deadline } = await getTask(market.user, { id });
    const { timestamp } = (await market.user.provider.getBlock("latest"))!;
    await market.chain.increaseTime(BigInt(deadline - timestamp + 1));
    const receiving = receive();
    await reveal();
    await receiving;
    expect(await stateOf()).to.equal("Settled");
  });

  it("confirms nothing that the provider did not commit to, and keeps what proves it", async () => {
    await deliverModel(market, uuid, archive, { isSpoiled: true });
    const receiving = receive().catch((error) => error);
    await reveal();
    const error = await receiving;
    expect(error).to.be.instanceOf(PageMismatchError);
    expect(existsSync(outputPath)).to.equal(false);
    expect(await stateOf()).to.equal("Revealed");

    const task = await getTask(market.user, { id });
    const encryptedPath = `${outputPath}.encrypted`;
    const { page } = error;
    const proof = await findMisbehaviour(market.user, { task, encryptedPath, page });
    await send(market.user, proveMisbehaviour(market.user, { id, proof }));
    expect(await stateOf()).to.equal("Slashed");
    expect(await rejection(receive())).to.include({ code: "task-failed-by-provider" });
  });

  it("acknowledges nothing if another file is at one of the paths", async () => {
    await deliverModel(market, uuid, archive);
    for (const path of [outputPath, `${outputPath}.encrypted`]) {
      writeFileSync(path, "something else");
      expect(await rejection(receive())).to.include({ code: "usage" });
      expect(readFileSync(path, "utf8")).to.equal("something else");
    }
    expect(await stateOf()).to.equal("Delivered");
  });
});
