import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { CommandFixture } from "./CommandFixture.ts";
import { type Orders, openOrders } from "./orders.ts";

describe("tasks: the output file of an order", () => {
  let orders: Orders;
  let market: CommandFixture;
  beforeEach(async () => {
    orders = await openOrders();
    ({ market } = orders);
  });
  afterEach(() => market.close());

  const create = (more?: object) => orders.create(more);

  it("is checked before anything is ordered", async () => {
    const taken = join(market.folder, "taken.zip");
    await writeFile(taken, "my only copy");
    for (const output of [
      taken,
      join(market.folder, "model.rar"),
      join(market.folder, "missing/model.zip"),
    ]) {
      const { error } = await create({ wait: true, output });
      expect(error?.code, output).to.equal("usage");
    }
    expect((await market.json("fine-tuning list")).tasks).to.deep.equal([]);
    expect(await readFile(taken, "utf8")).to.equal("my only copy");
  });

  it("is checked before waiting if the task was ordered before", async () => {
    await create();
    const taken = join(market.folder, "taken.zip");
    await writeFile(taken, "my only copy");
    const { error } = await create({ wait: true, output: taken });
    expect(error.code).to.equal("usage");
  });

  it("has its own name for each task if no flag names it", async () => {
    const output = join(market.folder, "models");
    await mkdir(output);
    const paths = [];
    for (const seed of ["1", "2"]) {
      const { id } = await create({ seed });
      await orders.finish(id);
      for (let times = 0; times < 2; times++) {
        paths.push((await market.json("fine-tuning download", { id, output })).path);
      }
      expect(paths.at(-1)).to.equal(paths.at(-2));
    }
    expect(paths[0]).to.equal(join(output, "tiny-qwen2.tar.zst"));
    expect(paths[2]).to.match(/tiny-qwen2-[0-9a-f]{8}\.tar\.zst$/);
  });
});
