import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { formatTaskId } from "../../../sdk/ids.ts";
import { orderTask } from "../../../sdk/order/orderTask.ts";
import { receiveModel } from "../../../sdk/order/receiveModel.ts";
import { acceptTask, failTask } from "../../../sdk/task/calls.ts";
import { getTask } from "../../../sdk/task/getTask.ts";
import { listTasks } from "../../../sdk/task/listTasks.ts";
import { waitForStep } from "../../../sdk/task/waitForStep.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { rejection } from "../../helpers/rejection.ts";
import type { CommandFixture } from "../tasks/CommandFixture.ts";
import { deliverModel, revealKey } from "../tasks/deliverModel.ts";
import { openOrders } from "../tasks/orders.ts";
import { acknowledged, makeArchive } from "../tasks/providerSide.ts";

describe("a program that orders in one call", () => {
  let market: CommandFixture;
  let path: string;
  before(async () => {
    const orders = await openOrders();
    market = orders.market;
    path = orders.dataset;
  });
  after(() => market.close());

  const wanted = () => ({ provider: market.provider.address, modelName: "tiny-qwen2", path });
  const order = (more = {}) =>
    orderTask(market.user, { ...wanted(), config: { n_epochs: 4 }, maxFee: 140n, ...more });
  const count = async () => (await listTasks(market.user, { user: market.user.address })).length;

  it("gets a model, and continues after an interruption", async () => {
    const { id, quote, service, model } = await order();
    expect(quote.fee).to.equal(140n);
    expect([service.provider, model.name]).to.deep.equal([market.provider.address, "tiny-qwen2"]);
    await send(market.provider, acceptTask(market.provider, { id }));
    const archive = await makeArchive(market.folder);
    await deliverModel(market, formatTaskId(id), archive);

    const model_ = join(market.folder, "model.zip");
    const interruption = new AbortController();
    const { signal } = interruption;
    const first = receiveModel(market.user, { id, path: model_, signal }).catch((error) => error);
    await acknowledged(market, formatTaskId(id));
    interruption.abort(new Error("stopped"));
    expect((await first).message).to.equal("stopped");
    await revealKey(market, formatTaskId(id));
    await receiveModel(market.user, { id, path: model_ });
    expect(readFileSync(model_)).to.deep.equal(archive);
    expect(existsSync(`${model_}.encrypted`)).to.equal(false);
    expect(await getTask(market.user, { id })).to.include({ state: "Settled" });
  });

  it("orders nothing above the maximum, and no dataset that breaks a rule", async () => {
    const before = await count();
    const expensive = await rejection(order({ maxFee: 139n }));
    expect(expensive).to.include({ code: "declined" });
    expect(expensive.message).to.contain("0.00000000000000014 OG, more than the maximum");
    const broken = join(market.folder, "broken.jsonl");
    writeFileSync(broken, '{"unknown":1}\n');
    expect(await rejection(order({ path: broken }))).to.include({ code: "dataset-invalid" });
    expect(await count()).to.equal(before);
  });

  it("ends with the reason if no model can come", async () => {
    const { id } = await order({ config: { n_epochs: 3 } });
    await send(market.provider, acceptTask(market.provider, { id }));
    await send(market.provider, failTask(market.provider, { id, reason: "TrainingError" }));
    const error = await rejection(waitForStep(market.user, { id, step: "acknowledge" }));
    expect(error).to.include({ code: "task-failed-by-provider" });
    expect(error.message).to.contain(formatTaskId(id));
  });
});
