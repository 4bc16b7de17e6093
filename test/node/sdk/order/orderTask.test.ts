import { readdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { authorize } from "../../../../sdk/account/calls.ts";
import { createClient } from "../../../../sdk/client.ts";
import { formatTaskId } from "../../../../sdk/ids.ts";
import { type OrderTaskParameters, orderTask } from "../../../../sdk/order/orderTask.ts";
import { getTask } from "../../../../sdk/task/getTask.ts";
import { getTaskOrder } from "../../../../sdk/task/getTaskOrder.ts";
import { rootOfDataset } from "../../../../sdk/task/uploadDataset.ts";
import { send } from "../../../../sdk/transaction/send.ts";
import { RpcProxy } from "../../../faults/RpcProxy.ts";
import type { Random } from "../../../faults/seededRandom.ts";
import { rejection } from "../../../helpers/rejection.ts";
import type { CommandFixture } from "../../tasks/CommandFixture.ts";
import { FEE, type Orders, openOrders } from "../../tasks/orders.ts";

/** Applies the fault to every matching call, up to its limit. */
const always: Random = {
  next: () => 0,
  integer: (from) => from,
  pick: (choices) => choices[0]!,
};

describe("sdk: orderTask", () => {
  let orders: Orders;
  let market: CommandFixture;
  let wanted: OrderTaskParameters;
  beforeEach(async () => {
    orders = await openOrders();
    ({ market } = orders);
    wanted = { modelName: "tiny-qwen2", trainingFile: orders.dataset, config: {} };
  });
  afterEach(() => market.close());

  const order = (more: Partial<OrderTaskParameters> = {}, client = market.user) =>
    orderTask(client, { ...wanted, ...more });
  const ordered = () => orders.ordered();
  const stored = () => readdirSync(join(market.folder, "storage"), { recursive: true }).sort();

  /** Nothing may be uploaded or ordered. */
  const refusal = async (more: Partial<OrderTaskParameters>, client = market.user) => {
    const before = stored();
    const error = await rejection(order(more, client));
    expect(stored()).to.deep.equal(before);
    expect(await ordered()).to.deep.equal([0, "0"]);
    return error;
  };

  it("counts, uploads for the provider alone, and creates the task", async () => {
    const uploads: number[] = [];
    const fees: bigint[] = [];
    const { id, service, model, quote } = await order({
      onQuote: (offer) => void fees.push(offer.quote.fee),
      onProgress: ({ bytes, total }) => void uploads.push(bytes / total),
    });
    expect([service.provider, model.name]).to.deep.equal([market.provider.address, "tiny-qwen2"]);
    expect([quote!.fee, ...fees]).to.deep.equal([BigInt(FEE), BigInt(FEE)]);
    expect(uploads.at(-1)).to.equal(1);
    const placed = await getTaskOrder(market.user, await getTask(market.user, { id }));
    const dataset = { service, path: orders.dataset };
    expect(placed.datasetRoot).to.equal(await rootOfDataset(market.user, dataset));
    expect(await ordered()).to.deep.equal([1, FEE]);
  });

  it("continues with the task if it is called again, and pays once", async () => {
    const { id } = await order();
    for (const more of [{}, { again: true }, { provider: market.provider.address }]) {
      expect(await order(more)).to.include({ id, quote: null });
    }
    expect(await ordered()).to.deep.equal([1, FEE]);
    await orders.finish(formatTaskId(id));
    expect((await order()).id).to.equal(id);
    expect((await order({ again: true })).id).not.to.equal(id);
  });

  it("finds its task if the answer to the transaction is lost: one task, one fee", async () => {
    const { rpcUrl, deployment, accounts } = market.chain;
    const proxy = await RpcProxy.start(rpcUrl, "answer lost", always);
    const { privateKey } = accounts[2]!;
    const { storageUrl } = market;
    const client = createClient({ rpcUrl: proxy.url, deployment, storageUrl, privateKey });
    try {
      const { id } = await order({}, { ...client, address: market.user.address });
      expect(proxy.strikes).to.be.greaterThan(0);
      expect((await order()).id).to.equal(id);
      expect(await ordered()).to.deep.equal([1, FEE]);
    } finally {
      client.provider.destroy();
      await proxy.close();
    }
  });

  it("raises an allowance that is too low", async () => {
    await send(market.user, authorize(market.user, { allowance: 0n }));
    await order();
    expect(await ordered()).to.deep.equal([1, FEE]);
  });

  it("orders with a validation dataset", async () => {
    const validationFile = join(market.folder, "validation.jsonl");
    await writeFile(validationFile, '{"prompt":"2+2=","completion":"4"}\n');
    const { id, service } = await order({ validationFile, config: { n_evals: 1 } });
    const placed = await getTaskOrder(market.user, await getTask(market.user, { id }));
    const dataset = { service, path: validationFile };
    expect(placed.validationRoot).to.equal(await rootOfDataset(market.user, dataset));
  });

  it("sends API tokens only to the provider, and again when it continues", async () => {
    const secrets = { hfApiToken: "hf_secret" };
    await order({ secrets });
    await order({ secrets });
    expect(market.daemon.sealed).to.have.length(2);
    for (const sealed of market.daemon.sealed)
      expect(Buffer.from(sealed).includes("hf_secret")).to.equal(false);
  });

  it("uploads and pays nothing above the limit, or if the caller does not want the quote", async () => {
    const expensive = await refusal({ maxFee: BigInt(FEE) - 1n });
    expect(expensive).to.include({ code: "declined" });
    expect(expensive.message).to.contain("more than the limit");
    const unwanted = new Error("no, thanks");
    const onQuote = () => {
      throw unwanted;
    };
    const before = stored();
    expect(await order({ onQuote }).catch((error) => error)).to.equal(unwanted);
    expect(stored()).to.deep.equal(before);
    expect((await order({ maxFee: BigInt(FEE) })).quote!.fee).to.equal(BigInt(FEE));
  });

  it("uploads and pays nothing without money, a valid dataset, a known model or valid parameters", async () => {
    expect(await refusal({}, market.stranger)).to.include({ code: "insufficient-funds" });
    const invalid = join(market.folder, "invalid.jsonl");
    await writeFile(invalid, '{"prompt":"1+1=","completion":"2"}\n{"prompt":"1+1="}\n');
    const bad = await refusal({ trainingFile: invalid });
    expect(bad).to.include({ code: "dataset-invalid" });
    expect(bad.message).to.contain(`${invalid}:2: `);
    const unknown = await refusal({ modelName: "tiny-qwen3" });
    expect(unknown.hint).to.equal('Did you mean "tiny-qwen2"?');
    expect(await refusal({ config: { n_evals: 1 } })).to.include({ code: "usage" });
    expect(await refusal({ config: { n_epochs: -1 } })).to.include({ code: "usage" });
    expect(await refusal({ config: { training_method: "dpo" } })).to.include({ code: "usage" });
    const signal = AbortSignal.abort(new Error("stopped"));
    expect(await order({ signal }).catch((error) => error.message)).to.equal("stopped");
    expect(await ordered()).to.deep.equal([0, "0"]);
  });

  it("orders nothing while the money of the same order can be claimed", async () => {
    const { id } = await order();
    await market.chain.increaseTime(90_000n);
    const error = await rejection(order());
    expect(error.code).to.equal("task-failed-by-provider");
    expect(error.message).to.contain(formatTaskId(id)).and.contain("You can claim");
    expect(error.hint).to.contain("cancelTask");
    expect(await ordered()).to.deep.equal([1, FEE]);
  });
});
