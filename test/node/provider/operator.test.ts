import { appendFileSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import { getBytes, hexlify } from "ethers";
import { after, before, describe, it } from "mocha";
import { EncryptionKey } from "../../../provider/EncryptionKey.ts";
import { KEYS_FILE } from "../../../provider/EncryptionKeys.ts";
import { SCHEMA } from "../../../provider/store/schema.ts";
import { getAccount } from "../../../sdk/account/getAccount.ts";
import type { Client } from "../../../sdk/client.ts";
import { acknowledge, confirm, demandChunk } from "../../../sdk/deliverable/calls.ts";
import { downloadDeliverable } from "../../../sdk/deliverable/downloadDeliverable.ts";
import { openDeliverable } from "../../../sdk/deliverable/openDeliverable.ts";
import { formatTaskId, type TaskId } from "../../../sdk/ids.ts";
import { updateService } from "../../../sdk/service/calls.ts";
import { getService } from "../../../sdk/service/getService.ts";
import type { ServiceTerms } from "../../../sdk/service/Service.ts";
import { TASK_GAS } from "../../../sdk/service/taskGas.ts";
import { verifyProvider } from "../../../sdk/service/verifyProvider.ts";
import { getTask } from "../../../sdk/task/getTask.ts";
import { getTaskOrder } from "../../../sdk/task/getTaskOrder.ts";
import { searchTaskEvents } from "../../../sdk/task/searchTaskEvents.ts";
import type { TaskState } from "../../../sdk/taskStates.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { MODEL } from "../../helpers/MarketFixture.ts";
import { rejection } from "../../helpers/rejection.ts";
import { DaemonFixture } from "./DaemonFixture.ts";
import { type DaemonProcess, eventually } from "./daemonProcess.ts";

const OG = 10n ** 18n;
const ROWS = [{ prompt: "How much is 1 and 1?", completion: "2" }];
const CONFIG = { n_epochs: 1, batch_size: 1 };
const [FIRST, SECOND] = [5, 6]; // accounts of two operators

describe("provider daemon that runs as an operator", () => {
  let market: DaemonFixture;
  let user: Client;
  let daemon: DaemonProcess;
  let api: string;
  let python: string;
  let operator = FIRST;

  const accountOf = (index: number) => market.chain.accounts[index]!;
  const explain = () => daemon.lines.map((line) => JSON.stringify(line)).join("\n");
  const variables = () => ({
    PROVIDER_PRIVATE_KEY: accountOf(operator).privateKey,
    PROVIDER_ADDRESS: market.provider.address,
  });
  const start = async (index = operator) => {
    operator = index;
    daemon = market.startDaemon(python, variables());
    api = (await daemon.ready()).api;
  };

  before(async () => {
    market = await DaemonFixture.open();
    market.makeModels();
    python = market.makeFastTrainer();
    await start(FIRST);
    await daemon.line("This provider is not registered yet.");
    await market.registerDaemon(api);
    await daemon.line("registered");
    user = market.client(2);
    await market.openAccount(user, OG);
  });
  after(() => market.close());

  const update = (changes: Partial<ServiceTerms>) => {
    market.terms = { ...market.terms, ...changes };
    return send(market.provider, updateService(market.provider, { terms: market.terms }));
  };
  const service = () => getService(user, { provider: market.provider.address });
  const order = () => market.orderTraining(user, ROWS, CONFIG);
  const until = (id: TaskId, state: TaskState) =>
    eventually(
      `state ${state}`,
      async () => {
        const task = await getTask(user, { id });
        return task.state === state && task;
      },
      { explain },
    );
  const acknowledged = async (id: TaskId) => {
    const task = await getTask(user, { id });
    const path = join(market.folder, `${id}.enc`);
    await downloadDeliverable(user, { task, targetPath: path });
    await send(user, acknowledge(user, { id, root: task.root! }));
  };
  const opened = async (id: TaskId) => {
    const task = await until(id, "Revealed");
    const [encryptedPath, outputPath] = [`${id}.enc`, `${id}.zip`].map((name) =>
      join(market.folder, name),
    ) as [string, string];
    await openDeliverable(user, { task, encryptedPath, outputPath });
    expect(readFileSync(outputPath).subarray(0, 2).toString()).to.equal("PK");
    await send(user, confirm(user, { id }));
  };
  const sentBy = (index: number) => user.provider.getTransactionCount(accountOf(index).address);
  const metric = async (line: string) => {
    const text = await (await fetch(`${api}/metrics`)).text();
    return text.split("\n").find((each) => each.startsWith(line));
  };

  it("works for the provider whose address is set, and proves that it holds the operator's key", async () => {
    const terms = await (await fetch(`${api}/v1/terms`)).json();
    expect(terms).to.include({
      provider: market.provider.address,
      operator: accountOf(FIRST).address,
    });
    await verifyProvider(user, { provider: market.provider.address });
  });

  it("pays for gas itself, and reserves bonds in the provider's account", async () => {
    const owner = await sentBy(1);
    const id = await order();
    await until(id, "Delivered");
    expect(await sentBy(1)).to.equal(owner);
    expect(await sentBy(FIRST)).to.equal(2);
    const account = async (address: string) => getAccount(user, { account: address });
    expect((await account(accountOf(FIRST).address)).total).to.equal(0n);
    const own = (await account(market.provider.address)).subAccounts;
    const { stake } = await service();
    expect(own[0]!.reserved).to.equal(stake + (await getTask(user, { id })).fee);
    await acknowledged(id);
    await opened(id);
  });

  it("answers a demanded chunk within the gas that is reserved for it", async () => {
    const id = await order();
    await until(id, "Delivered");
    await send(user, demandChunk(user, { id, index: 1 }));
    await until(id, "Delivered");
    const [provider, toBlock] = [market.provider.address, await user.provider.getBlockNumber()];
    const events = await searchTaskEvents(user, { provider, fromBlock: 0, toBlock });
    const answered = events.find(({ name }) => name === "ChunkAnswered")!;
    const receipt = await user.provider.getTransactionReceipt(answered.transactionHash);
    expect(receipt!.from).to.equal(accountOf(FIRST).address);
    expect(TASK_GAS.answer >= (receipt!.gasUsed * 120n) / 100n, `${receipt!.gasUsed}`).to.equal(
      true,
    );
    await acknowledged(id);
    await opened(id);
  });

  describe("when its key was stolen and the owner registers another operator", () => {
    let delivered: TaskId;
    let ordered: TaskId;
    let sent: number;
    before(async () => {
      delivered = await order();
      await until(delivered, "Delivered");
      sent = await sentBy(FIRST);
      await update({ operator: accountOf(SECOND).address });
      await daemon.line(/^the registered operator differs from this daemon's key/);
    });

    it("says so in readyz, metrics, queue and challenge", async () => {
      const ready = await fetch(`${api}/readyz`);
      expect(ready.status).to.equal(503);
      const { reasons } = (await ready.json()) as { reasons: { name: string; message: string }[] };
      const reason = reasons.find(({ name }) => name === "operator")!;
      expect(reason.message).to.include(accountOf(SECOND).address);
      expect(reason.message).to.include(accountOf(FIRST).address);
      const gauge = () => metric('anneal_not_ready{reason="operator"}');
      expect(await eventually("the metric", gauge)).to.match(/ 1$/);
      expect(await (await fetch(`${api}/v1/queue`)).json()).to.include({ accepting: false });
      const nonce = `0x${"77".repeat(32)}`;
      expect((await fetch(`${api}/v1/challenge?nonce=${nonce}`)).status).to.equal(503);
      const error = await rejection(verifyProvider(user, { provider: market.provider.address }));
      expect(error.code).to.equal("declined");
    });

    it("signs nothing, neither for a new order nor for an open delivery", async () => {
      ordered = await order();
      await acknowledged(delivered);
      const attempts = () => metric('anneal_step_failures_total{step="reveal"}');
      const hasTried = async () => !(await attempts())?.endsWith(" 0");
      await eventually("an attempt to reveal", hasTried, { explain });
      await eventually("the order", () =>
        daemon.lines.some(
          ({ msg, task }) => msg === "task ordered" && task === formatTaskId(ordered),
        ),
      );
      expect(await sentBy(FIRST)).to.equal(sent);
      expect((await getTask(user, { id: delivered })).state).to.equal("Acknowledged");
      expect((await getTask(user, { id: ordered })).state).to.equal("Created");
    });

    it("is succeeded by a daemon with the new key, which continues the same state", async () => {
      expect(await daemon.kill("SIGTERM")).to.deep.equal({ code: 0, signal: null });
      await start(SECOND);
      await daemon.line("another operator continues");
      await opened(delivered);
      await until(ordered, "Delivered");
      await acknowledged(ordered);
      await opened(ordered);
      expect(await sentBy(FIRST)).to.equal(sent);
      expect((await fetch(`${api}/readyz`)).status).to.equal(200);
      await verifyProvider(user, { provider: market.provider.address });
    });
  });

  describe("when its encryption key is rotated", () => {
    it("does not start without its keys, instead of making others", async () => {
      await daemon.kill("SIGTERM");
      const path = join(market.folder, "state", KEYS_FILE);
      renameSync(path, `${path}.lost`);
      daemon = market.startDaemon(python, variables());
      expect(await daemon.exited).to.include({ code: 1 });
      expect(daemon.lines.at(-1)!.msg).to.equal(`${path} is missing.`);
      renameSync(`${path}.lost`, path);
      await start();
    });

    it("delivers what was ordered under the old key, reveals older deliveries, and takes new orders", async () => {
      const old = await service();
      const delivered = await order();
      await until(delivered, "Delivered");
      await daemon.kill("SIGTERM");
      const { modelHash, datasetRoot, units } = await getTaskOrder(
        user,
        await getTask(user, { id: delivered }),
      );
      const model = { ...MODEL, hash: modelHash };
      const between = await market.order(
        { model, datasetRoot, units, config: CONFIG, maxFee: OG },
        user,
      );
      const line = hexlify(EncryptionKey.generate().secret).slice(2);
      appendFileSync(join(market.folder, "state", KEYS_FILE), `${line}\n`);
      await start();
      await daemon.line("The registered encryptionKey differ from what this daemon serves.");
      await until(between, "Delivered");
      const { encryptionKey } = (await (await fetch(`${api}/v1/terms`)).json()) as ServiceTerms;
      expect(encryptionKey).not.to.equal(old.encryptionKey);
      await update({ encryptionKey });
      await daemon.line("registered");
      const newer = await order();
      for (const id of [delivered, between, newer]) {
        await until(id, "Delivered");
        await acknowledged(id);
        await opened(id);
      }
    });
  });
});

describe("provider daemon with the state of version 0.1.0", () => {
  it("keeps the encryption key that it has registered, in a file of its own from now on", async () => {
    const market = await DaemonFixture.open();
    try {
      mkdirSync(join(market.folder, "models"));
      mkdirSync(join(market.folder, "state"));
      const { address, privateKey } = market.chain.accounts[1]!;
      const old = new DatabaseSync(join(market.folder, "state/state.db"));
      old.exec(`${SCHEMA}; PRAGMA user_version = 1;`);
      old.prepare("INSERT INTO identity (name, value) VALUES ('provider', ?)").run(address);
      old.close();
      const { publicKey, secret } = EncryptionKey.derive(getBytes(privateKey));
      const termsOf = async (variables: Record<string, string>) => {
        const daemon = market.startDaemon(market.makeFastTrainer(), variables);
        const { api } = await daemon.ready();
        const terms = (await (await fetch(`${api}/v1/terms`)).json()) as ServiceTerms;
        await daemon.kill("SIGTERM");
        return terms;
      };
      expect(await termsOf({})).to.include({ encryptionKey: publicKey, operator: address });
      const path = join(market.folder, "state", KEYS_FILE);
      expect(readFileSync(path, "utf8")).to.equal(`${hexlify(secret).slice(2)}\n`);
      const successor = market.chain.accounts[SECOND]!;
      const variables = {
        PROVIDER_PRIVATE_KEY: successor.privateKey,
        PROVIDER_ADDRESS: address,
      };
      const terms = await termsOf(variables);
      expect(terms).to.include({ encryptionKey: publicKey, operator: successor.address });
    } finally {
      await market.close();
    }
  });
});
