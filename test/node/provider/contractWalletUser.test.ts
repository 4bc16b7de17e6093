import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { randomBytes } from "ethers";
import type { FastifyInstance } from "fastify";
import { after, before, beforeEach, describe, it } from "mocha";
import pino from "pino";
import { createApi } from "../../../provider/api/apiServer.ts";
import { systemClock as clock, wallTime } from "../../../provider/clock.ts";
import { EncryptionKey } from "../../../provider/EncryptionKey.ts";
import { EncryptionKeys } from "../../../provider/EncryptionKeys.ts";
import { Metrics } from "../../../provider/Metrics.ts";
import { newJob } from "../../../provider/machine/machine.ts";
import { Catalogue } from "../../../provider/models/Catalogue.ts";
import { Readiness } from "../../../provider/Readiness.ts";
import type { StepContext } from "../../../provider/steps/parts/StepContext.ts";
import { settle } from "../../../provider/steps/settle.ts";
import { SqliteStore } from "../../../provider/store/SqliteStore.ts";
import type { TaskId } from "../../../sdk/ids.ts";
import { acceptTask } from "../../../sdk/task/calls.ts";
import { consentToSettlement } from "../../../sdk/task/consentToSettlement.ts";
import { fetchCancellation } from "../../../sdk/task/fetchCancellation.ts";
import { fetchTaskStatus } from "../../../sdk/task/fetchTaskStatus.ts";
import { getTask } from "../../../sdk/task/getTask.ts";
import { getTaskOrder } from "../../../sdk/task/getTaskOrder.ts";
import { requestCancellation } from "../../../sdk/task/requestCancellation.ts";
import { latestBlock } from "../../../sdk/transaction/latestBlock.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { openContractWallet } from "../../helpers/contractWallet.ts";
import { type Account, MarketFixture, MODEL } from "../../helpers/MarketFixture.ts";
import { rejection } from "../../helpers/rejection.ts";
import { TradeFixture } from "./TradeFixture.ts";

const OG = 10n ** 18n;

describe("a user that is a contract wallet", () => {
  describe("at a provider's API, on a real chain", () => {
    let market: MarketFixture;
    let wallet: Account;
    let directory: string;
    let store: SqliteStore;
    let api: FastifyInstance;
    let id: TaskId;
    let requests: number;
    const log = pino({ level: "silent" });
    const taskKey = randomBytes(32);

    before(async () => {
      market = await MarketFixture.open({ openTasksPerUser: 9 });
      wallet = await openContractWallet(market.client(5), market.client(6));
      await market.openAccount(wallet, OG);
      directory = mkdtempSync(join(tmpdir(), "anneal-contract-"));
      store = SqliteStore.open(directory);
      api = createApi({
        ...{ client: countingClient(), store, clock, wallTime, log, slots: 1 },
        device: () => null,
        ...{
          catalogue: new Catalogue([], { maxDatasetBytes: 2 ** 30 }),
          metrics: new Metrics(store),
          readiness: new Readiness(),
        },
        registration: { isOperator: true },
        encryptionKeys: new EncryptionKeys(EncryptionKey.generate()),
        jobsDirectory: directory,
        signal: new AbortController().signal,
        terms: () => expect.fail("not asked"),
        chainTime: () => now,
        onCancel: () => undefined,
      });
      await api.listen({ host: "127.0.0.1", port: 0 });
    });
    after(async () => {
      await api.close();
      store.close();
      rmSync(directory, { recursive: true });
      await market.close();
    });

    let now = 0;
    beforeEach(async () => {
      id = await market.order({ taskKey }, wallet);
      await send(market.provider, acceptTask(market.provider, { id }));
      now = (await latestBlock(market.reader)).timestamp;
      requests = 0;
      await admit(id, wallet.address);
    });

    /** Counts what the API asks the chain about signatures. */
    const countingClient = () => {
      const provider = new Proxy(market.provider.provider, {
        get: (target, name) => {
          if (name === "getCode" || name === "call") requests++;
          const value = Reflect.get(target, name);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
      return { ...market.provider, provider };
    };
    const admit = async (task: TaskId, user: string) => {
      const ordered = await getTask(market.reader, { id: task });
      const order = await getTaskOrder(market.reader, ordered);
      const { fee } = ordered;
      const job = { ...newJob(), chain: "Accepted", work: "trained" } as const;
      store.putJob({
        id: task,
        user,
        fee,
        order: { ...order, config: {} },
        blockNumber: 1,
        job,
        facts: {},
      });
    };
    const service = () => {
      const { port } = api.server.address() as { port: number };
      return { provider: market.provider.address, url: `http://127.0.0.1:${port}` };
    };

    it("cannot derive a task's key from a signature, and is told what to do", async () => {
      const { code, message, hint } = await rejection(market.order({}, wallet));
      expect(code).to.equal("usage");
      expect(`${message} ${hint}`).to.include("task key");
    });

    it("reads its task with the signature of its contract", async () => {
      const status = await fetchTaskStatus(wallet, { service: service(), id });
      expect(status.progress).to.equal("Trained");
    });

    it("is nobody else: neither one of its owners, nor a stranger, nor another contract", async () => {
      const other = await openContractWallet(market.client(7), market.client(8));
      for (const who of [market.client(5), market.client(6), market.stranger, other]) {
        const error = await rejection(fetchTaskStatus(who, { service: service(), id }));
        expect(error.code).to.equal("declined");
      }
    });

    it("does not let strangers cause requests to the chain about users without code", async () => {
      const own = await market.order();
      await send(market.provider, acceptTask(market.provider, { id: own }));
      await admit(own, market.user.address);
      for (let attempt = 0; attempt < 20; attempt++)
        await rejection(fetchTaskStatus(market.stranger, { service: service(), id: own }));
      expect(requests).to.equal(1);
    });

    it("agrees to stop a task, and the contract takes the same signature", async () => {
      const { amount } = await fetchCancellation(wallet, { service: service(), id });
      await requestCancellation(wallet, { service: service(), id, amount });
      const record = store.job(id)!;
      expect(record.job.settlement!.signature).to.have.length(2 + 2 * 130);
      const submit = ({ call }: { call: Parameters<typeof send>[1] }) =>
        send(market.provider, call);
      const context = { client: market.provider, submitter: { submit } } as unknown as StepContext;
      await settle(context, record, new AbortController().signal, 0);
      expect(await getTask(market.reader, { id })).to.include({ state: "Settled", paid: amount });
    });

    it("has not agreed if only one owner has signed", async () => {
      const { amount } = await fetchCancellation(wallet, { service: service(), id });
      const deadline = now + 600;
      const { signature } = await consentToSettlement(market.client(5), { id, amount, deadline });
      const signer = Object.create(wallet.signer!, {
        signTypedData: {
          value: (...typed: Parameters<NonNullable<Account["signer"]>["signTypedData"]>) =>
            "SettleCancelled" in typed[1] ? signature : wallet.signer!.signTypedData(...typed),
        },
      });
      const half = { ...wallet, signer };
      const error = await rejection(requestCancellation(half, { service: service(), id, amount }));
      expect(error.message).to.include("not signed by the task's user");
      expect(store.job(id)!.job.settlement).to.equal(null);
    });
  });

  it("orders from a real daemon and opens the model with its task key", async () => {
    const trade = await TradeFixture.open({ fastTrainer: true });
    try {
      const { market } = trade;
      const wallet = await openContractWallet(market.client(5), market.client(6));
      await market.openAccount(wallet, OG);
      const taskKey = randomBytes(32);
      const rows = [{ prompt: "1+1=", completion: "2" }];
      const known = await market.orderTraining(trade.user, rows, { n_epochs: 1 });
      const { modelHash, datasetRoot, units } = await getTaskOrder(
        trade.user,
        await getTask(trade.user, { id: known }),
      );
      const model = { ...MODEL, hash: modelHash };
      const id = await market.order(
        { model, datasetRoot, units, maxFee: OG, config: { n_epochs: 1 }, taskKey },
        wallet,
      );
      const task = await trade.until(id, "Delivered");
      expect(task.user).to.equal(wallet.address);
      const opened = await trade.takeDelivery(task, wallet, taskKey);
      expect(opened.subarray(0, 2).toString()).to.equal("PK");
      expect(readFileSync(join(market.folder, `${id}.zip`))).to.deep.equal(opened);
    } finally {
      await trade.close();
    }
  });
});
