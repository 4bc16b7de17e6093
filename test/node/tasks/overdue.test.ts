import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { parseTaskId } from "../../../sdk/ids.ts";
import { acceptTask } from "../../../sdk/task/calls.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { CommandFixture } from "./CommandFixture.ts";
import { deliverModel } from "./deliverModel.ts";

const HOUR = 3_600;
const FEE = 1_000;
const BOND = 2_000;

describe("tasks: a provider that misses a deadline", () => {
  let market: CommandFixture;
  let order: Record<string, unknown>;
  beforeEach(async () => {
    market = await CommandFixture.open();
    const configPath = join(market.folder, "config.json");
    await writeFile(configPath, "{}");
    await market.json("register-provider", {
      url: market.daemon.url,
      price: "0.000000000000000001",
      unit: "byte",
      maxTrainingTime: String(HOUR),
      bondBps: "20000",
      openTasks: "9",
      amount: "1",
    });
    await market.json("add-account", { amount: "1" });
    order = {
      provider: market.provider.address,
      model: "tiny-qwen2",
      configPath,
      dataSize: String(FEE),
    };
  });
  afterEach(() => market.close());

  let orders = 0;
  const accepted = async (): Promise<string> => {
    orders++;
    const dataPath = join(market.folder, `${orders}.jsonl`);
    await writeFile(dataPath, `{"text":"dataset ${orders}"}\n`);
    const { root: dataset } = await market.json("upload", { dataPath });
    const { id } = await market.json("create-task", { ...order, dataset });
    await send(market.provider, acceptTask(market.provider, { id: parseTaskId(id) }));
    return id;
  };
  const notDelivered = async () => {
    const id = await accepted();
    await market.chain.increaseTime(HOUR + 1);
    return id;
  };
  const notRevealed = async () => {
    const id = await accepted();
    await deliverModel(market, id, Buffer.from("PK a model"));
    await market.json("acknowledge-model", { task: id, dataPath: market.folder });
    await market.chain.increaseTime(market.chain.parameters.revealPeriod + 1n);
    return id;
  };

  it("is reported by every command in the same words, with the command that claims the money", async () => {
    const id = await notDelivered();
    const shown = await market.run("get-task", { task: id });
    expect(shown.stdout).to.match(/^Progress +Failed$/m);
    expect(shown.stdout).to.contain("The provider did not deliver the model by");
    expect(shown.stderr).to.contain(
      `cancel-task --provider ${market.provider.address} --task ${id}`,
    );
    const status = await market.run("fine-tuning status", { id });
    expect(status).to.include({ stdout: "Failed\n", exitCode: 5 });
    expect(status.stderr).to.contain(`fine-tuning cancel ${id}`);
    const retrieved = await market.run("fine-tuning retrieve", { id });
    expect(retrieved.stderr).to.contain(`fine-tuning cancel ${id}`);
    for (const [list, flags] of [
      ["fine-tuning list", {}],
      ["list-tasks", { provider: market.provider.address }],
    ] as const) {
      const { stdout, stderr } = await market.run(list, flags);
      expect(stdout).to.match(/Failed$/m);
      expect(stderr).to.contain("retrieve-fund");
    }
  });

  it("ends --wait at once, with exit code 5", async () => {
    for (const id of [await notRevealed(), await notDelivered()]) {
      const { exitCode, stderr } = await market.run("get-task", { task: id, wait: true });
      expect(exitCode).to.equal(5);
      expect(stderr).to.contain(`Claim it: npx hardhat fine-tuning cancel ${id}`);
    }
  });

  it("returns the fee and a quarter of the bond by cancel-task, if nothing was delivered", async () => {
    const id = await notDelivered();
    const before = await market.json("get-account");
    const { stdout, exitCode } = await market.run("cancel-task", { task: id });
    expect(exitCode).to.equal(0);
    expect(stdout).to.contain("0.000000000000001 OG of its fee");
    const after = await market.json("get-account");
    expect(BigInt(after.available) - BigInt(before.available)).to.equal(BigInt(BOND / 4));
    const task = await market.json("get-task", { task: id });
    expect(task).to.include({ state: "Expired", next: "read-log" });
    expect((await market.run("cancel-task", { task: id })).exitCode).to.equal(7);
  });

  it("returns the fee and half of the bond by fine-tuning cancel, if the key was not published", async () => {
    const id = await notRevealed();
    const plan = await market.json("fine-tuning cancel", { id, dryRun: true });
    expect(plan).to.include({ dryRun: true, verb: "expire" });
    const before = await market.json("get-account");
    const claimed = await market.json("fine-tuning cancel", { id });
    expect(claimed).to.include({ id, fee: String(FEE), compensation: String(BOND / 2) });
    const after = await market.json("get-account");
    expect(BigInt(after.available) - BigInt(before.available)).to.equal(BigInt(BOND / 2));
  });

  it("is claimed by retrieve-fund for all tasks at once, and the fees are on their way back", async () => {
    const ids = [await notRevealed(), await notDelivered()];
    const document = await market.json("retrieve-fund");
    expect(document.claimed.map((each: { id: string }) => each.id)).to.deep.equal(ids);
    expect(document.providers).to.have.length(1);
    expect(document.providers[0].requested).to.equal(String(2 * FEE));
    expect((await market.json("retrieve-fund")).claimed).to.deep.equal([]);
  });

  it("is not claimed while the provider still has time, whatever this machine's clock says", async () => {
    const id = await accepted();
    const { exitCode, stderr } = await market.run("cancel-task", { task: id });
    expect(exitCode).to.equal(7);
    expect(stderr).to.contain("The provider has until").and.contain(`fine-tuning cancel ${id}`);
    expect((await market.json("get-task", { task: id })).next).to.equal("wait");
  });

  it("shows that a model that was not acknowledged in time can still be fetched", async () => {
    const id = await accepted();
    await deliverModel(market, id, Buffer.from("PK a model"));
    const inTime = await market.json("get-task", { task: id });
    expect(inTime.meaning).to.contain("Acknowledge it by");
    await market.chain.increaseTime(market.chain.parameters.ackPeriod + 1n);
    const late = await market.json("get-task", { task: id });
    expect(late).to.include({ progress: "Delivered", next: "acknowledge", failure: null });
    const flags = { task: id, dataPath: market.folder };
    expect(await market.json("acknowledge-model", flags)).to.include({ id });
    expect(await market.json("get-task", { task: id })).to.include({
      state: "Acknowledged",
      next: "wait-for-key",
    });
  });
});
