import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { type Orders, openOrders } from "./orders.ts";

describe("tasks: finding a task", () => {
  let orders: Orders;
  let first: string;
  let second: string;
  before(async () => {
    orders = await openOrders();
    first = (await orders.create({ suffix: "terse" })).id;
    second = (await orders.create({ suffix: "chatty" })).id;
  });
  after(() => orders.market.close());

  const status = (id: string) => orders.market.run("fine-tuning status", { id });
  const found = async (id: string) =>
    (await orders.market.json("fine-tuning status", { id })).id as string;

  it("takes its id, the beginning of it, and the suffix or name of its model", async () => {
    for (const [id, names] of [
      [first, [first, first.slice(0, 8), "terse", "tiny-qwen2-terse"]],
      [second, [second.toUpperCase(), second.slice(0, 6), "chatty", "tiny-qwen2-chatty"]],
    ] as const) {
      for (const name of names) expect(await found(name), name).to.equal(id);
    }
  });

  it("needs no provider in the step-by-step family, and takes the newest by default", async () => {
    const { market } = orders;
    expect((await market.json("get-task", { task: first.slice(0, 8) })).id).to.equal(first);
    expect((await market.json("get-task", { task: "terse" })).id).to.equal(first);
    expect((await market.json("get-task")).id).to.equal(second);
  });

  it("lists those that a name could mean", async () => {
    const { exitCode, stderr } = await status("tiny-qwen2");
    expect(exitCode).to.equal(2);
    expect(stderr).to.contain(`2 tasks are named "tiny-qwen2": ${first}, ${second}.`);
  });

  it("says that there is none", async () => {
    for (const id of ["zzz", "00000000"]) {
      const { exitCode, stderr } = await status(id);
      expect(exitCode).to.equal(1);
      expect(stderr).to.contain(`no task whose id begins with "${id}", or with that name.`);
      expect(stderr).to.contain("fine-tuning list");
    }
  });

  it("lists models, suffixes, the names of datasets, ages and fees", async () => {
    const { market, dataset } = orders;
    const { stdout } = await market.run("fine-tuning list");
    const [heading, ...rows] = stdout.trimEnd().split("\n");
    expect(heading).to.match(/^ID +Created +Model +Dataset +Fee \(OG\) +Progress$/);
    const about =
      "(just now|\\d+ (min|h) ago) +tiny-qwen2-SUFFIX +train.jsonl +0.00000000000000014 +Init";
    expect(rows[0]).to.match(new RegExp(`^${first} +${about.replace("SUFFIX", "terse")}$`));
    expect(rows[1]).to.match(new RegExp(`^${second} +${about.replace("SUFFIX", "chatty")}$`));
    const { tasks } = await market.json("fine-tuning list");
    expect(tasks[0]).to.include({
      model: "tiny-qwen2",
      suffix: "terse",
      datasetName: "train.jsonl",
    });
    expect(dataset).to.equal(join(market.folder, "train.jsonl"));
  });

  it("fits a list into a terminal of 80 columns without cutting ids", async () => {
    const { stdout } = await orders.market.run("fine-tuning list", {}, { terminal: 80 });
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).to.be.at.most(80);
    expect(stdout).to.contain(`ID        ${first}\n`);
  });
});
