import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { getAccount } from "../../../../sdk/account/getAccount.ts";
import type { Client } from "../../../../sdk/client.ts";
import { formatTaskId } from "../../../../sdk/ids.ts";
import { getTask } from "../../../../sdk/task/getTask.ts";
import type { TaskEvent } from "../../../../sdk/task/taskEvents.ts";
import { standInTrainer } from "../../../helpers/standInTrainer.ts";
import { DaemonFixture } from "../DaemonFixture.ts";
import { DaemonProcess, eventually } from "../daemonProcess.ts";

/** A stub trainer that learns nothing: it writes 1 MiB, and 8 more when it is told to; then it waits. */
const WRITING_STUB_TRAINER = standInTrainer(`
event({ seq: 1, type: "warning", message: "stub" });
fs.mkdirSync(directory + "/checkpoints/step-1", { recursive: true });
const write = (name, mebibytes) =>
  fs.writeFileSync(directory + "/checkpoints/step-1/" + name, Buffer.alloc(mebibytes * 2 ** 20, 1));
write("small", 1);
setInterval(() => {
  if (fs.existsSync(__dirname + "/write-more") && !fs.existsSync(directory + "/checkpoints/step-1/large"))
    write("large", 8);
}, 20);
`);

describe("provider daemon, with a training run that writes too much", () => {
  let market: DaemonFixture;
  let user: Client;
  let daemon: DaemonProcess;

  const startDaemon = () =>
    new DaemonProcess({
      PROVIDER_PRIVATE_KEY: market.chain.accounts[1]!.privateKey,
      RPC_ENDPOINT: market.chain.rpcUrl,
      DEPLOYMENT_DIR: join(market.folder, "deployment"),
      PROVIDER_DIR: join(market.folder, "state"),
      MODELS_DIR: join(market.folder, "models"),
      PYTHON: join(market.folder, "writing-stub-trainer"),
      SANDBOX: "off",
      PROVIDER_PORT: "0",
      STORAGE_PORT: new URL(market.storageUrl).port,
      POLL_INTERVAL_MS: "50",
      MAX_JOB_BYTES: `${4 * 2 ** 20}`,
    });

  before(async () => {
    market = await DaemonFixture.open();
    market.makeModels();
    writeFileSync(join(market.folder, "writing-stub-trainer"), WRITING_STUB_TRAINER, {
      mode: 0o755,
    });
    daemon = startDaemon();
    const { api } = await daemon.ready();
    await daemon.line("This provider is not registered yet.");
    await market.registerDaemon(api);
    await daemon.line("registered");
    user = market.client(2);
    await market.openAccount(user, 10n ** 18n);
  });
  after(async () => {
    await daemon.kill("SIGTERM");
    await market.close();
  });

  it("returns the fee and removes the files if it finds out after a crash", async () => {
    const id = await market.orderTraining(user, [{ text: "once" }], { n_epochs: 1 });
    const directory = join(market.folder, "state/jobs", formatTaskId(id));
    const has = (name: string, size: number) => () => {
      const path = join(directory, "work/checkpoints/step-1", name);
      return existsSync(path) && statSync(path).size === size;
    };
    await eventually("the first MiB", has("small", 2 ** 20));
    await daemon.kill("SIGKILL"); // the training run continues without it
    writeFileSync(join(market.folder, "write-more"), "");
    await eventually("too much", has("large", 8 * 2 ** 20));

    daemon = startDaemon();
    await daemon.ready();
    const failed = async () => (await getTask(user, { id })).state === "Failed";
    const explain = () => daemon.lines.map((line) => JSON.stringify(line)).join("\n");
    await eventually("the task's end", failed, { explain });
    const event = (await market.events(id)).at(-1)!;
    expect(event).to.include({ name: "TaskFailed", reason: "ConfigInvalid" });
    const { compensation } = event as Extract<TaskEvent, { name: "TaskFailed" }>;
    const refusal = await daemon.line("task refused");
    expect(refusal).to.include({ reason: "ConfigInvalid", step: "train" });
    await eventually("an empty directory", () => readdirSync(directory).length === 1);
    expect(readdirSync(directory)).to.deep.equal(["events.jsonl"]);
    const { total, subAccounts } = await getAccount(user, { account: market.user.address });
    expect(total).to.equal(10n ** 18n + compensation);
    expect(subAccounts[0]).to.include({ reserved: 0n });
  });
});
