import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { identify } from "../../../provider/processes/processTable.ts";
import { getAccount } from "../../../sdk/account/getAccount.ts";
import type { Client } from "../../../sdk/client.ts";
import { confirm, demandChunk } from "../../../sdk/deliverable/calls.ts";
import { geometryOf } from "../../../sdk/exchange/geometry.ts";
import { formatTaskId, type TaskId } from "../../../sdk/ids.ts";
import { fetchCancellation } from "../../../sdk/task/fetchCancellation.ts";
import { getTask } from "../../../sdk/task/getTask.ts";
import { requestCancellation } from "../../../sdk/task/requestCancellation.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { eventually, type LogLine } from "./daemonProcess.ts";
import { TradeFixture } from "./TradeFixture.ts";

const rows = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    prompt: `How much is ${index} and ${index + 1}?\n`,
    completion: `It is ${2 * index + 1}.`,
  }));

const SHORT = { n_epochs: 1, batch_size: 8, learning_rate: 1e-3 };
/** Of a job that has ended. */
const KEPT = ["events.jsonl", "result.json"];
/** A few rows take seconds to train, MANY_ROWS minutes, so that no interruption comes too late. */
const LONG = { n_epochs: 20, batch_size: 1, learning_rate: 1e-3 };
const MANY_ROWS = 2_000;

const totalOf = async (client: Client, account: string) =>
  (await getAccount(client, { account })).total;

describe("provider daemon, with the real trainer", () => {
  let trade: TradeFixture;

  before(async () => {
    trade = await TradeFixture.open({ fastTrainer: false });
  });
  after(() => trade.close());

  /** Waits until the trainer has reported steps. @returns its process. */
  const untilTraining = async (id: TaskId): Promise<number> => {
    const hasSteps = async () => {
      const status = await trade.status(id);
      return status?.progress === "Training" && status.step! >= 5;
    };
    await eventually("progress", hasSteps, { explain: trade.explain });
    return Number(trade.daemon.lines.findLast(({ msg }) => msg === "training started")!.pid);
  };

  it("runs an order from creation to payment, and reports its progress to the user", async () => {
    const { user, market } = trade;
    const before = await trade.providerTotal();
    const id = await market.orderTraining(user, rows(64), SHORT);
    await eventually("the task at the provider", () => trade.status(id));
    const followed = trade.log(id, true);
    const task = await trade.until(id, "Delivered");
    const archive = await trade.takeDelivery(task);
    expect(archive.subarray(0, 2).toString()).to.equal("PK");
    await send(user, confirm(user, { id }));
    await trade.until(id, "Settled");
    expect((await trade.providerTotal()) - before).to.equal(task.fee);

    const status = await trade.status(id);
    expect(status).to.include({ progress: "Finished", step: 8, totalSteps: 8 });
    expect(status!.lossAfter).to.be.lessThan(status!.lossBefore!);
    const log = await followed;
    expect(log[0]).to.equal("creating task....");
    expect(
      log.filter((line) =>
        /^Step: \d+, Logs: \{'loss': [\d.]+, 'accuracy': [\d.e-]+\}$/.test(line),
      ),
    ).to.have.length(8);
    expect(log.at(-1)).to.equal(
      `Training model for task ${formatTaskId(id)} completed successfully`,
    );
    const left = () => readdirSync(join(market.folder, "state/jobs", formatTaskId(id)));
    await eventually("a clean job directory", () => left().length === 2);
    expect(left()).to.have.members(KEPT);
  });

  it("continues from the checkpoint of an earlier task of the same user", async () => {
    const { user, market } = trade;
    const first = await market.orderTraining(user, rows(64), SHORT);
    await trade.takeDelivery(await trade.until(first, "Delivered"));
    await send(user, confirm(user, { id: first }));
    await trade.until(first, "Settled");
    const learned = (await trade.status(first))!;
    const config = { ...SHORT, from_checkpoint: `${formatTaskId(first)}:8` };
    const second = await market.orderTraining(user, rows(64), config);
    await trade.takeDelivery(await trade.until(second, "Delivered"));
    await send(user, confirm(user, { id: second }));
    const status = (await trade.status(second))!;
    // The second task begins with the weights of the first, on the same rows.
    expect(Math.abs(status.lossBefore! - learned.lossAfter!)).to.be.lessThan(1e-3);
    expect(status.lossAfter).to.be.lessThan(learned.lossAfter!);

    const stranger = market.client(3);
    await market.openAccount(stranger, 10n ** 18n);
    const theft = await market.orderTraining(stranger, rows(64), config);
    const isRefusal = ({ msg, task }: LogLine) =>
      msg === "task refused" && task === formatTaskId(theft);
    const refused = () => trade.daemon.lines.find(isRefusal);
    const refusal = await eventually("the refusal", refused, { explain: trade.explain });
    expect(refusal).to.include({ reason: "ConfigInvalid" });
    expect(await trade.eventNames(theft)).to.deep.equal(["TaskCreated"]);
  });

  it("shows any chunk of its delivery on chain, even if only its storage still has the file", async () => {
    const { user, market } = trade;
    const id = await market.orderTraining(user, rows(64), SHORT);
    const { size } = await trade.until(id, "Delivered");
    const chunks = geometryOf(size).encryptedSize / 256;
    for (const [demands, index] of [chunks - 1, 0, 1].entries()) {
      if (demands === 1) rmSync(join(market.folder, "state/jobs", formatTaskId(id), "model.enc"));
      await send(user, demandChunk(user, { id, index }));
      const isShown = async () => {
        const task = await getTask(user, { id });
        return task.state === "Delivered" && task.demands === demands + 1 ? task : undefined;
      };
      const task = await eventually("the answer", isShown, { explain: trade.explain });
      expect(task.chunk).to.equal(index);
    }
    await trade.takeDelivery(await getTask(user, { id }));
    await send(user, confirm(user, { id }));
  });

  it("stops a running task at its user's request, for the amount that both see", async () => {
    const { user, market, service } = trade;
    const [before, spent] = [await trade.providerTotal(), await totalOf(user, market.user.address)];
    const id = await market.orderTraining(user, rows(MANY_ROWS), LONG);
    const trainer = await untilTraining(id);
    const { amount, fee } = await fetchCancellation(user, { service, id });
    expect(amount > 0n && amount < fee, `${amount} of ${fee}`).to.equal(true);
    await requestCancellation(user, { service, id, amount });
    const task = await trade.until(id, "Settled");
    expect(task.paid).to.equal(amount);
    expect((await trade.providerTotal()) - before).to.equal(amount);
    expect(spent - (await totalOf(user, market.user.address))).to.equal(amount);
    expect(await trade.eventNames(id)).to.deep.equal([
      "TaskCreated",
      "TaskAccepted",
      "TaskSettled",
    ]);
    await eventually("the end of the trainer", () => identify(trainer) === null);
    const left = () => readdirSync(join(market.folder, "state/jobs", formatTaskId(id)));
    await eventually("a clean job directory", () => left().every((name) => KEPT.includes(name)));
    const lastLine = `Task ${formatTaskId(id)} was stopped by its user`;
    await eventually(lastLine, async () => (await trade.log(id)).at(-1) === lastLine);
  });

  it("refuses a dataset that the trainer cannot read, with the trainer's own sentence", async () => {
    const id = await trade.market.orderTraining(trade.user, [{ nothing: "known" }], SHORT);
    const refused = async () => (await trade.status(id))?.failure;
    const failure = await eventually("the refusal", refused, { explain: trade.explain });
    expect(failure.code).to.equal("DatasetInvalid");
    expect(failure.message).to.match(/train\.jsonl:1/);
  });

  it("delivers exactly once and is paid once if it is killed while training", async () => {
    const before = await trade.providerTotal();
    const id = await trade.market.orderTraining(trade.user, rows(12), LONG);
    const trainer = await untilTraining(id);
    process.kill(-trainer, "SIGSTOP"); // it must not finish before the next daemon finds it
    await trade.daemon.kill("SIGKILL");
    expect(identify(trainer), "the trainer is still there").not.to.equal(null);

    const restarted = trade.restart();
    await trade.daemon.line("stopping the processes of an earlier run");
    process.kill(-trainer, "SIGCONT");
    await restarted;
    expect(identify(trainer), "the old trainer is stopped").to.equal(null);
    const task = await trade.until(id, "Delivered");
    await trade.takeDelivery(task);
    await send(trade.user, confirm(trade.user, { id }));
    await trade.until(id, "Settled");

    expect(await trade.eventNames(id)).to.deep.equal([
      "TaskCreated",
      "TaskAccepted",
      "TaskDelivered",
      "TaskAcknowledged",
      "KeyRevealed",
      "TaskSettled",
    ]);
    expect((await trade.providerTotal()) - before).to.equal(task.fee);
    const resumed = (await trade.log(id)).filter((line) => /resumes after step [1-9]/.test(line));
    expect(resumed).to.have.length(1);
  });

  it("stops on SIGTERM with exit code 0, and the training resumes where it was", async () => {
    const id = await trade.market.orderTraining(trade.user, rows(MANY_ROWS), LONG);
    const trainer = await untilTraining(id);
    expect(await trade.daemon.kill("SIGTERM")).to.deep.equal({ code: 0, signal: null });
    expect(identify(trainer)).to.equal(null);
    await trade.restart();
    const resumes = async () =>
      (await trade.log(id)).some((line) => /resumes after step/.test(line));
    await eventually("a resumed training", resumes, { explain: trade.explain });
    expect(await trade.eventNames(id)).to.deep.equal(["TaskCreated", "TaskAccepted"]);
  });
});
