import { readFileSync, statSync, writeFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { parseTaskId } from "../../../sdk/ids.ts";
import { acceptTask } from "../../../sdk/task/calls.ts";
import { deriveTaskKey } from "../../../sdk/task/deriveTaskKey.ts";
import { getTask } from "../../../sdk/task/getTask.ts";
import { getTaskOrder } from "../../../sdk/task/getTaskOrder.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { deliverModel, revealKey } from "./deliverModel.ts";
import { type Orders, openOrders } from "./orders.ts";
import { makeArchive } from "./providerSide.ts";

describe("tasks: --task-key", () => {
  let orders: Orders;
  let archive: Buffer;
  before(async () => {
    orders = await openOrders();
    archive = await makeArchive(orders.market.folder);
  });
  after(() => orders.market.close());

  const at = (name: string) => join(orders.market.folder, name);
  const seed = (() => {
    let last = 0;
    return () => ({ seed: `${++last}` }); // identical orders would continue with the same task
  })();
  const orderOf = async (id: string) => {
    const { reader } = orders.market;
    return getTaskOrder(reader, await getTask(reader, { id: parseTaskId(id) }));
  };
  const userKeyOf = async (id: string) => (await orderOf(id)).userKey;
  const revealed = async (id: string) => {
    const { market } = orders;
    await send(market.provider, acceptTask(market.provider, { id: parseTaskId(id) }));
    await deliverModel(market, id, archive);
    const dataPath = at(`${id}.sealed`);
    await market.json("acknowledge-model", { task: id, dataPath });
    await revealKey(market, id);
    return dataPath;
  };

  it("is made once, for this user alone, and shown nowhere", async () => {
    const { market, dataset } = orders;
    const taskKey = at("task.key");
    const flags = { model: "tiny-qwen2", trainingFile: dataset, taskKey, ...seed() };
    const { stdout, stderr, exitCode } = await market.run("fine-tuning create", flags);
    expect(exitCode, stderr).to.equal(0);
    const key = readFileSync(taskKey, "utf8");
    expect(key).to.match(/^[0-9a-f]{64}\n$/);
    expect(statSync(taskKey).mode & 0o777).to.equal(0o600);
    expect(stdout).to.contain(`Task key written to ${taskKey}. Keep it`);
    expect(stdout + stderr).not.to.contain(key.trim());
    expect(stderr).to.contain(`--task-key ${taskKey}`);
    const again = await market.run("fine-tuning create", { ...flags, ...seed() });
    expect(again.stdout).not.to.contain("Task key written");
    expect(readFileSync(taskKey, "utf8")).to.equal(key);
    const left = (await readdir(market.folder)).filter((name) => name.startsWith("task.key"));
    expect(left).to.deep.equal(["task.key"]);
  });

  it("takes the wallet's place: the same dataset continues the same order, and each task has its own key", async () => {
    const { market } = orders;
    const taskKey = at("own.key");
    const chosen = seed();
    const first = await orders.create({ taskKey, ...chosen });
    expect(await orders.create({ taskKey, ...chosen })).to.include({
      id: first.id,
      continued: true,
    });
    const second = await orders.create({ taskKey, ...seed() });
    const keys = await Promise.all([first.id, second.id].map(userKeyOf));
    expect(keys[0]).not.to.equal(keys[1]);
    const placed = await orderOf(first.id);
    const { publicKey } = await deriveTaskKey(market.user, placed);
    expect(`0x${Buffer.from(publicKey).toString("hex")}`).not.to.equal(keys[0]);
  });

  it("opens the model in one command, and step by step", async () => {
    const { market } = orders;
    const taskKey = at("open.key");
    const { id } = await orders.create({ taskKey, ...seed() });
    const encryptedModel = await revealed(id);
    const flags = { task: id, encryptedModel, output: at("opened.zip") };
    const { stderr, exitCode } = await market.run("decrypt-model", flags);
    expect(exitCode).to.equal(10);
    expect(stderr).to.contain("task key");
    writeFileSync(at("wrong.key"), `${"ab".repeat(32)}\n`);
    const wrong = await market.run("decrypt-model", { ...flags, taskKey: at("wrong.key") });
    expect(wrong.exitCode).to.equal(10);
    expect(wrong.stderr).to.contain("was not ordered with this task key");
    await market.json("decrypt-model", { ...flags, taskKey });
    expect(await readFile(at("opened.zip"))).to.deep.equal(archive);

    const other = await market.json("create-task", { ...orders.createTaskFlags(), taskKey });
    await revealed(other.id);
    const output = at("other.zip");
    await market.json("fine-tuning download", { id: other.id, output, taskKey });
    expect(statSync(output).size).to.be.greaterThan(0);
  });

  it("opens the model of another wallet, such as a contract, and leaves its confirmation to it", async () => {
    const { market } = orders;
    const taskKey = at("others.key");
    const { id } = await orders.create({ taskKey, ...seed() });
    const encryptedModel = await revealed(id);
    const flags = { task: id, encryptedModel, output: at("others.zip"), taskKey };
    const env = { ZG_PRIVATE_KEY: market.chain.accounts[6]!.privateKey };
    const { stderr, exitCode } = await market.run("decrypt-model", flags, { env });
    expect(exitCode, stderr).to.equal(0);
    expect(stderr).to.contain(`ordered by ${market.user.address}: confirm it from there`);
    expect(await readFile(at("others.zip"))).to.deep.equal(archive);
    expect(await market.json("get-task", { task: id })).to.include({ state: "Revealed" });
  });

  it("is not made by a dry run", async () => {
    const taskKey = at("dry.key");
    await orders.create({ taskKey, ...seed(), dryRun: true });
    expect(await readdir(orders.market.folder)).not.to.include("dry.key");
  });

  it("refuses a file that is something else, without changing or showing it", async () => {
    const { market } = orders;
    const taskKey = at("notes.txt");
    writeFileSync(taskKey, "my secret notes");
    const create = { model: "tiny-qwen2", trainingFile: orders.dataset, taskKey };
    const decrypt = { task: "11".repeat(16), encryptedModel: "x", output: "x.zip" };
    for (const [name, flags] of [
      ["fine-tuning create", create],
      ["decrypt-model", { ...decrypt, taskKey }],
    ] as const) {
      const { stderr, exitCode } = await market.run(name, flags);
      expect(exitCode, name).to.equal(2);
      expect(stderr).to.contain(`${taskKey} is not a task key.`).and.not.contain("secret notes");
    }
    expect(readFileSync(taskKey, "utf8")).to.equal("my secret notes");
    const missing = await market.run("decrypt-model", { ...decrypt, taskKey: at("none.key") });
    expect(missing.exitCode).to.equal(2);
    expect(missing.stderr).to.contain("none.key does not exist");
  });
});
