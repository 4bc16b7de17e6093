import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { getAccount } from "../../../sdk/account/getAccount.ts";
import { formatTaskId, type TaskId } from "../../../sdk/ids.ts";
import { upload } from "../../../sdk/storage/upload.ts";
import { cancelTask } from "../../../sdk/task/calls.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { HANGS_AFTER } from "../../helpers/patience.ts";
import { eventually, type LogLine } from "./daemonProcess.ts";
import { TradeFixture } from "./TradeFixture.ts";

const ROWS = [{ text: "Once upon a time." }, { text: "The end." }];

describe("provider daemon, with a stub trainer", () => {
  let trade: TradeFixture;

  before(async () => {
    trade = await TradeFixture.open({ fastTrainer: true });
  });
  after(() => trade.close());

  const order = (dataSize?: bigint) =>
    trade.market.orderTraining(trade.user, ROWS, {}, dataSize === undefined ? {} : { dataSize });
  const sentByProvider = () =>
    trade.user.provider.getTransactionCount(trade.market.provider.address);

  const refusalOf = (id: TaskId) =>
    eventually("the refusal", async () => (await trade.status(id))?.failure, {
      explain: trade.explain,
    });

  it("refuses a dataset larger than declared without a transaction, and the user gets the fee back", async () => {
    const account = () => getAccount(trade.user, { account: trade.market.user.address });
    const before = { account: await account(), sent: await sentByProvider() };
    const id = await order(10n);
    const failure = await refusalOf(id);
    expect(failure.code).to.equal("DatasetLargerThanDeclared");
    expect(failure.message).to.match(/more than the 10 /);
    expect(failure.hint).to.include("cancel-task");
    expect((await trade.status(id))?.progress).to.equal("Failed");
    await send(trade.user, cancelTask(trade.user, { id }));
    const after = await account();
    expect(after.total).to.equal(before.account.total);
    expect(after.subAccounts[0]!.reserved).to.equal(0n);
    expect(await sentByProvider()).to.equal(before.sent);
  });

  it("refuses an order of one row with a large validation dataset that its units do not pay for", async () => {
    const path = join(trade.market.folder, "validation.jsonl");
    writeFileSync(path, `${JSON.stringify({ text: "a".repeat(1_000) })}\n`.repeat(2_000));
    const { root: validationRoot } = await upload(trade.user.storageUrl, path);
    const sent = await sentByProvider();
    const config = { n_epochs: 1, n_evals: 100 };
    const id = await trade.market.orderTraining(trade.user, ROWS, config, { validationRoot });
    const failure = await refusalOf(id);
    expect(failure.code).to.equal("DatasetLargerThanDeclared");
    expect(failure.message).to.match(/the order's units of work pay for/);
    expect(await trade.eventNames(id)).to.deep.equal(["TaskCreated"]);
    expect(await sentByProvider()).to.equal(sent);
    await send(trade.user, cancelTask(trade.user, { id }));
  });

  it("refuses a second daemon before it touches the storage of the first", async () => {
    const publishing = join(trade.market.folder, "state/blobs/incoming/half-published.have");
    writeFileSync(publishing, "");
    const second = trade.market.startDaemon();
    expect(await second.exited).to.include({ code: 1 });
    await second.line(/Another provider daemon is using/);
    expect(existsSync(publishing), "what the first one is publishing").to.equal(true);
    rmSync(publishing);
  });

  it("processes what was ordered and cancelled while it was down", async () => {
    await trade.daemon.kill("SIGTERM");
    const cancelled = await trade.market.order({}, trade.user);
    await send(trade.user, cancelTask(trade.user, { id: cancelled }));
    const unknown = await trade.market.order({}, trade.user);
    await trade.restart();
    expect((await refusalOf(unknown)).code).to.equal("ModelUnknown");
    expect(await trade.eventNames(unknown)).to.deep.equal(["TaskCreated"]);
    expect(await trade.eventNames(cancelled)).to.deep.equal(["TaskCreated", "TaskCancelled"]);
  });

  it("loses and duplicates nothing if it is killed repeatedly on the way", async () => {
    const before = { sent: await sentByProvider(), total: await trade.providerTotal() };
    const id = await order();
    const step = (msg: string, name?: string) => (line: LogLine) =>
      line.msg === msg && (!name || line.step === name) && line.task === formatTaskId(id);
    const moments = [
      step("task ordered"),
      step("step done", "verify"),
      step("step done", "fetch"),
      step("transaction signed", "accept"),
      step("training started"),
      step("step done", "package"),
      step("step done", "seal"),
      step("transaction signed", "deliver"),
    ];
    for (const moment of moments) await killAt(id, moment);
    const delivered = await trade.until(id, "Delivered");

    const taking = trade.takeDelivery(delivered);
    await killAt(id, step("transaction signed", "reveal"));
    expect((await taking).subarray(0, 2).toString()).to.equal("PK");
    await trade.market.chain.increaseTime(trade.market.chain.parameters.disputePeriod + 1n);
    await killAt(id, step("transaction signed", "finalize")); // the user never confirms
    await trade.until(id, "Settled");

    expect(await trade.eventNames(id)).to.deep.equal([
      "TaskCreated",
      "TaskAccepted",
      "TaskDelivered",
      "TaskAcknowledged",
      "KeyRevealed",
      "TaskSettled",
    ]);
    expect((await sentByProvider()) - before.sent).to.equal(4); // accept, deliver, reveal, finalize
    expect((await trade.providerTotal()) - before.total).to.equal(delivered.fee);
  });

  it("lapses a delivery that nobody acknowledges, and still serves a late user", async () => {
    const id = await order();
    const delivered = await trade.until(id, "Delivered");
    await trade.market.chain.increaseTime(trade.market.chain.parameters.ackPeriod + 1n);
    await trade.until(id, "Lapsed");
    await trade.daemon.kill("SIGKILL");
    await trade.restart();
    const archive = await trade.takeDelivery(delivered);
    expect(archive.length).to.be.greaterThan(300_000);
  });

  it("charges a training that stopped early for the work that was done, also after a crash", async () => {
    const config = { n_epochs: 10, n_evals: 10, early_stopping_patience: 3 };
    const id = await trade.market.orderTraining(trade.user, ROWS, config);
    await killAt(
      id,
      ({ msg, step, task }) => msg === "step done" && step === "train" && task === formatTaskId(id),
    );
    const { fee, rebate } = await trade.until(id, "Delivered");
    expect(rebate).to.equal(fee / 2n);
  });

  it("has disclosed no secret", () => {
    const secret = trade.market.chain.accounts[1]!.privateKey.slice(2);
    expect(trade.explain()).not.to.include(secret);
  });

  /**
   * Kills the daemon at a moment of the task, and restarts it. A moment that had passed at an earlier kill does not
   * come again.
   */
  async function killAt(id: TaskId, moment: (line: LogLine) => boolean): Promise<void> {
    const isPast = trade.history.some(moment);
    if (isPast) return;
    const missed = setTimeout(() => trade.daemon.kill("SIGKILL"), HANGS_AFTER);
    await trade.daemon.killAt(moment);
    clearTimeout(missed);
    expect(trade.daemon.lines.some(moment), `${formatTaskId(id)} came to this moment`).to.equal(
      true,
    );
    await trade.restart();
  }
});
