import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { answerChunk } from "../../../sdk/deliverable/calls.ts";
import { withSealedFile } from "../../../sdk/deliverable/sealedFile.ts";
import { buildChunkProof } from "../../../sdk/exchange/chunkProof.ts";
import { geometryOf } from "../../../sdk/exchange/geometry.ts";
import { formatTaskId, parseTaskId } from "../../../sdk/ids.ts";
import { acceptTask } from "../../../sdk/task/calls.ts";
import { getTask } from "../../../sdk/task/getTask.ts";
import type { Task } from "../../../sdk/task/Task.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { NOWHERE } from "../../helpers/MarketFixture.ts";
import { CommandFixture } from "./CommandFixture.ts";
import { deliverModel } from "./deliverModel.ts";

const MODEL = Buffer.alloc(300_000, "model");
/** No storage that the user knows has the model. */
const ELSEWHERE = { env: { STORAGE_ENDPOINT: NOWHERE } };

describe("tasks: a model that no storage sends", () => {
  let market: CommandFixture;
  before(async () => {
    market = await CommandFixture.open();
    const offer = { url: market.daemon.url, price: "0.000000000000000002", unit: "byte" };
    await market.json("register-provider", { ...offer, openTasks: "50", amount: "1" });
    await market.json("add-account", { amount: "1" });
  });
  after(() => market.close());

  const state = async (id: string): Promise<Task> =>
    getTask(market.reader, { id: parseTaskId(id) });
  const path = (name: string) => join(market.folder, name);

  async function delivered(): Promise<string> {
    const id = await market.order();
    await send(market.provider, acceptTask(market.provider, { id }));
    await deliverModel(market, formatTaskId(id), MODEL);
    return formatTaskId(id);
  }

  /** As the daemon does, as soon as the chunk is demanded. */
  async function answer(id: string): Promise<void> {
    for (;;) {
      const task = await state(id);
      if (task.state === "Demanded") {
        const sealed = path("model.sealed");
        const { encryptedSize } = geometryOf(task.size);
        const proof = await withSealedFile({ path: sealed, root: task.root }, (file) =>
          buildChunkProof(file, { encryptedSize, index: task.chunk }),
        );
        const { provider } = market;
        await send(provider, answerChunk(provider, { id: task.id, ...proof! }));
        return;
      }
      await sleep(50);
    }
  }

  const acknowledge = (id: string, more: object = {}, options = ELSEWHERE) =>
    market.run(
      "acknowledge-model",
      { task: id, dataPath: path(`${id}.bin`), ...more },
      options as never,
    );

  it("costs nothing by itself: the command says what --demand would do", async () => {
    const id = await delivered();
    const { stderr, exitCode } = await acknowledge(id);
    expect(exitCode).to.equal(9);
    expect(stderr).to.contain("download it again with --demand");
    expect(await state(id)).to.include({ state: "Delivered", demands: 0 });
  });

  it("is demanded on chain; after the answer, the download is tried again", async () => {
    const id = await delivered();
    const { deadline } = await state(id);
    const [{ stdout, stderr, exitCode }] = await Promise.all([
      acknowledge(id, { demand: true }),
      answer(id),
    ]);
    expect(stdout).to.match(/The provider has until .+ to show chunk \d+ of the model\./);
    expect(stdout).to.contain("The provider has shown that it has the model.");
    expect(exitCode, stderr).to.equal(9); // the storage is still not there
    const after = await state(id);
    expect(after).to.include({ state: "Delivered", demands: 1 });
    expect(after.deadline).to.be.greaterThan(deadline);

    const found = await acknowledge(id, {}, { env: {} } as never);
    expect(found.exitCode, found.stderr).to.equal(0);
    expect((await state(id)).state).to.equal("Acknowledged");
    expect((await readFile(path(`${id}.bin`))).length).to.equal(
      geometryOf(MODEL.length).encryptedSize,
    );
  });

  it("ends at the provider's cost if it does not answer", async () => {
    const id = await delivered();
    const running = acknowledge(id, { demand: true });
    while ((await state(id)).state !== "Demanded") await sleep(50);
    await market.chain.increaseTime(market.chain.parameters.revealPeriod + 1n);
    const { stderr, exitCode } = await running;
    expect(exitCode).to.equal(5);
    expect(stderr).to.contain("did not show that it has the model by");
    const { stdout } = await market.run("cancel-task", { task: id });
    expect(stdout).to.contain(`Claimed for task ${id}`);
    expect((await state(id)).state).to.equal("Expired");
  });

  it("is acknowledged without an answer if the user finds it meanwhile", async () => {
    const id = await delivered();
    const running = acknowledge(id, { demand: true });
    while ((await state(id)).state !== "Demanded") await sleep(50);
    const found = await market.run("acknowledge-model", { task: id, dataPath: path("found.bin") });
    expect(found.exitCode, found.stderr).to.equal(0);
    expect((await state(id)).state).to.equal("Acknowledged");
    expect((await running).exitCode).to.not.equal(0);
  });
});
