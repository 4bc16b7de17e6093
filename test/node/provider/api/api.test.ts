import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { getBytes, keccak256, Wallet } from "ethers";
import type { FastifyInstance } from "fastify";
import { afterEach, beforeEach, describe, it } from "mocha";
import pino from "pino";
import { createApi } from "../../../../provider/api/apiServer.ts";
import { StreamLimit } from "../../../../provider/api/StreamLimit.ts";
import type { Clock } from "../../../../provider/clock.ts";
import { EncryptionKey } from "../../../../provider/EncryptionKey.ts";
import { EncryptionKeys } from "../../../../provider/EncryptionKeys.ts";
import { Metrics } from "../../../../provider/Metrics.ts";
import { type Job, newJob } from "../../../../provider/machine/machine.ts";
import { Catalogue, type Model } from "../../../../provider/models/Catalogue.ts";
import { UsageArchives } from "../../../../provider/models/UsageArchives.ts";
import { Readiness } from "../../../../provider/Readiness.ts";
import { readSecrets } from "../../../../provider/steps/parts/taskSecrets.ts";
import { SqliteStore } from "../../../../provider/store/SqliteStore.ts";
import type { JobRecord } from "../../../../provider/store/Store.ts";
import type { Client } from "../../../../sdk/client.ts";
import { sealSecrets } from "../../../../sdk/exchange/sealSecrets.ts";
import { formatTaskId, type TaskId } from "../../../../sdk/ids.ts";
import { recoverChallenge } from "../../../../sdk/service/challenge.ts";
import { signRequest } from "../../../../sdk/service/signedRequest.ts";
import { consentToSettlement } from "../../../../sdk/task/consentToSettlement.ts";
import { RATES } from "../../../helpers/MarketFixture.ts";

const ID = `0x${"11".repeat(16)}` as TaskId;
const UUID = formatTaskId(ID);
const SERVING = `0x${"5e".repeat(20)}`;
const HASH = `0x${"ab".repeat(32)}`;

const provider = new Wallet(`0x${"01".repeat(32)}`);
const user = new Wallet(`0x${"02".repeat(32)}`);
const stranger = new Wallet(`0x${"03".repeat(32)}`);

/** On a chain without contract wallets. */
const clientOf = (signer: Wallet) =>
  ({
    chainId: 31337,
    servingAddress: SERVING,
    signer,
    provider: { getCode: async () => "0x" },
  }) as unknown as Client;

const ENCRYPTION_KEY = EncryptionKey.derive(new Uint8Array(32).fill(1));

const MODEL: Model = {
  name: "tiny",
  kind: "causal-lm",
  description: "A tiny model",
  hash: HASH,
  predefined: false,
  tokenizerHash: HASH,
  rates: RATES,
  directory: "/nowhere",
  tokenizerDocument: Buffer.from('{"tokenizer":{},"tokenizerConfig":{}}'),
};

describe("provider API", () => {
  let directory: string;
  let store: SqliteStore;
  let app: FastifyInstance;
  let stop: AbortController;
  let now: number;
  let metrics: Metrics;
  let readiness: Readiness;
  let registration: { isOperator: boolean };
  let cancelled: TaskId[];

  const putJob = (job: Partial<Job>, changes: Partial<JobRecord> = {}) =>
    store.putJob({
      id: ID,
      user: user.address,
      fee: 1n,
      order: { nonce: 0n, units: 1n, maxFee: 1n, config: {} } as JobRecord["order"],
      blockNumber: 1,
      job: { ...newJob(), ...job },
      facts: {},
      ...changes,
    });

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "anneal-api-"));
    store = SqliteStore.open(directory);
    stop = new AbortController();
    now = Date.now();
    const clock: Clock = {
      now: () => now,
      sleep: () => new Promise((resolve) => setTimeout(resolve, 5)),
    };
    const catalogue = new Catalogue([MODEL], { maxDatasetBytes: 2 ** 30 });
    metrics = new Metrics(store);
    readiness = new Readiness();
    registration = { isOperator: true };
    readiness.addGauge(metrics.registry);
    cancelled = [];
    app = createApi({
      client: clientOf(provider),
      store,
      clock,
      catalogue,
      metrics,
      readiness,
      registration,
      wallTime: () => now,
      chainTime: () => Math.floor(now / 1000),
      onCancel: (id) => cancelled.push(id),
      slots: 1,
      device: () => "NVIDIA H200",
      jobsDirectory: directory,
      encryptionKeys: new EncryptionKeys(ENCRYPTION_KEY),
      signal: stop.signal,
      terms: () => ({
        provider: provider.address,
        operator: provider.address,
        catalogueHash: catalogue.hash,
        encryptionKey: "0x02",
        url: "http://x",
      }),
      log: pino({ level: "silent" }),
    });
    putJob({ chain: "Accepted", work: "counted", slot: true, pending: "train" });
  });

  afterEach(async () => {
    stop.abort();
    await app.close();
    store.close();
    rmSync(directory, { recursive: true });
  });

  const get = (path: string, headers: Record<string, string> = {}) =>
    app.inject({ method: "GET", url: path, headers });
  const signed = async (path: string, signer = user, at = new Date(now)) =>
    get(path, await signRequest(clientOf(signer), { method: "GET", path, now: at }));
  const writeEvents = (...events: object[]) => {
    mkdirSync(join(directory, UUID), { recursive: true });
    const lines = events.map((event) => `${JSON.stringify(event)}\n`).join("");
    appendFileSync(join(directory, UUID, "events.jsonl"), lines);
  };

  describe("routes for the task's user", () => {
    const path = `/v1/tasks/${UUID}`;

    it("answer the task's user", async () => {
      const answer = await signed(path);
      expect(answer.statusCode).to.equal(200);
      expect(answer.json()).to.include({ id: UUID, progress: "SetUp", failure: null });
    });

    it("refuse everybody else", async () => {
      for (const resource of ["", "/log", "/events"]) {
        const answer = await signed(path + resource, stranger);
        expect(answer.statusCode).to.equal(403);
        expect(answer.json()).to.have.all.keys("code", "message", "hint");
      }
    });

    it("require a signature", async () => {
      expect((await get(path)).statusCode).to.equal(401);
      expect((await get(path, { authorization: "Bearer x" })).statusCode).to.equal(401);
    });

    it("accept a signed request once", async () => {
      const headers = await signRequest(clientOf(user), { method: "GET", path });
      expect((await get(path, headers)).statusCode).to.equal(200);
      expect((await get(path, headers)).statusCode).to.equal(409);
    });

    it("accept a signature only for the path it is for", async () => {
      const headers = await signRequest(clientOf(user), { method: "GET", path });
      expect((await get(`${path}/log`, headers)).statusCode).to.equal(403);
    });

    it("accept no signature of the past, nor of the far future", async () => {
      expect((await signed(path, user, new Date(now - 600_000))).statusCode).to.equal(401);
      expect((await signed(path, user, new Date(now + 600_000))).statusCode).to.equal(401);
    });

    it("accept no signature for another contract", async () => {
      const elsewhere = { ...clientOf(user), servingAddress: `0x${"aa".repeat(20)}` } as Client;
      const headers = await signRequest(elsewhere, { method: "GET", path });
      expect((await get(path, headers)).statusCode).to.equal(403);
    });

    it("return 404 for tasks that nobody ordered here", async () => {
      expect(
        (await signed(`/v1/tasks/${formatTaskId(`0x${"22".repeat(16)}` as TaskId)}`)).statusCode,
      ).to.equal(404);
      expect((await signed("/v1/tasks/nonsense")).statusCode).to.equal(404);
    });
  });

  describe("status", () => {
    it("reports the progress of the training run", async () => {
      writeEvents(
        {
          seq: 1,
          type: "progress",
          step: 1,
          total: 9,
          epoch: 0.1,
          loss: 3,
          tokens_per_second: 7,
          seconds_left: 80,
        },
        {
          seq: 2,
          type: "progress",
          step: 2,
          total: 9,
          epoch: 0.2,
          loss: 2,
          tokens_per_second: 8,
          seconds_left: 70,
        },
      );
      expect((await signed(`/v1/tasks/${UUID}`)).json()).to.include({
        progress: "Training",
        step: 2,
        totalSteps: 9,
        loss: 2,
        tokensPerSecond: 8,
        secondsLeft: 70,
      });
    });

    it("reports the position in the queue", async () => {
      putJob({ chain: "Created", work: "verified" });
      const other = `0x${"22".repeat(16)}` as TaskId;
      putJob(
        { chain: "Created", work: "verified" },
        { id: other, user: stranger.address, blockNumber: 0 },
      );
      expect((await signed(`/v1/tasks/${UUID}`)).json()).to.include({
        progress: "Init",
        queuePosition: 1,
      });
    });

    it("reports the improvement after the training run", async () => {
      putJob({ chain: "Delivered", work: "uploaded" });
      mkdirSync(join(directory, UUID));
      const result = {
        loss_before: 3.5,
        loss_after: 1.5,
        accuracy_before: 0.1,
        accuracy_after: null,
      };
      writeFileSync(join(directory, UUID, "result.json"), JSON.stringify(result));
      expect((await signed(`/v1/tasks/${UUID}`)).json()).to.include({
        progress: "Delivered",
        lossBefore: 3.5,
        lossAfter: 1.5,
        accuracyAfter: null,
      });
    });

    it("reports why a task failed, and what to do", async () => {
      const failure = {
        reason: "DatasetInvalid" as const,
        message: "Row 3 is empty.",
        hint: "Fill it.",
      };
      putJob({ chain: "Failed", failure });
      const status = (await signed(`/v1/tasks/${UUID}`)).json();
      expect(status.progress).to.equal("Failed");
      expect(status.failure).to.deep.equal({
        code: "DatasetInvalid",
        message: "Row 3 is empty.",
        hint: "Fill it.",
      });
    });
  });

  describe("log and events", () => {
    it("renders the log in 0G's style, with the reason of a failure at its end", async () => {
      const failure = {
        reason: "OutOfMemory" as const,
        message: "It does not fit.",
        hint: "Take less.",
      };
      putJob({ chain: "Failed", failure });
      writeEvents({ seq: 1, type: "progress", step: 0, loss: 1.23, accuracy: 0.5 });
      const answer = await signed(`/v1/tasks/${UUID}/log`);
      expect(answer.headers["content-type"]).to.match(/^text\/plain/);
      expect(answer.body.split("\n")).to.deep.equal([
        "creating task....",
        "Step: 0, Logs: {'loss': 1.23, 'accuracy': 0.5}",
        `Task ${UUID} failed: It does not fit. Take less.`,
        "",
      ]);
    });

    it("follows a training run to its end", async () => {
      writeEvents({ seq: 1, type: "progress", step: 1, loss: 1, accuracy: 0 });
      const following = signed(`/v1/tasks/${UUID}/log?follow=true`);
      setTimeout(() => {
        writeEvents({ seq: 2, type: "done" });
        putJob({ chain: "Accepted", work: "trained" });
      }, 30);
      const lines = (await following).body.trimEnd().split("\n");
      expect(lines.at(-1)).to.equal(`Training model for task ${UUID} completed successfully`);
    });

    it("ends its streams when the daemon stops", async () => {
      const following = signed(`/v1/tasks/${UUID}/log?follow=true`);
      setTimeout(() => stop.abort(), 30);
      expect((await following).statusCode).to.equal(200);
    });

    it("returns the events after the last one seen", async () => {
      writeEvents({ seq: 1, type: "a" }, { seq: 2, type: "b" }, { seq: 3, type: "c" });
      const answer = await signed(`/v1/tasks/${UUID}/events?after=1`);
      expect(answer.headers["content-type"]).to.equal("application/x-ndjson");
      expect(
        answer.body
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line).seq),
      ).to.deep.equal([2, 3]);
      expect((await signed(`/v1/tasks/${UUID}/events?after=x`)).statusCode).to.equal(400);
    });
  });

  describe("public routes", () => {
    it("serve the catalogue whose hash is reported", async () => {
      const bytes = (await get("/v1/models")).rawPayload;
      const terms = (await get("/v1/terms")).json();
      expect(keccak256(bytes)).to.equal(terms.catalogueHash);
      expect(terms.provider).to.equal(provider.address);
      expect(JSON.parse(bytes.toString()).models[0].name).to.equal("tiny");
    });

    it("serve a tokenizer and a usage archive, for known models only", async () => {
      expect((await get("/v1/models/tiny/tokenizer")).rawPayload).to.deep.equal(
        MODEL.tokenizerDocument,
      );
      expect(
        (await get("/v1/models/tiny/usage")).rawPayload.subarray(0, 4).toString("latin1"),
      ).to.equal("PK\x03\x04");
      expect((await get("/v1/models/huge/usage")).statusCode).to.equal(404);
      expect((await get("/v1/models/..%2f..%2fetc%2fpasswd/usage")).statusCode).to.equal(404);
    });

    it("prove possession of the provider's key", async () => {
      const nonce = `0x${"77".repeat(32)}`;
      const { signature } = (await get(`/v1/challenge?nonce=${nonce}`)).json();
      expect(recoverChallenge(clientOf(user), { nonce, signature })).to.equal(provider.address);
      expect((await get("/v1/challenge?nonce=0x01")).statusCode).to.equal(400);
    });

    it("sign nothing once another operator is registered", async () => {
      registration.isOperator = false;
      const answer = await get(`/v1/challenge?nonce=0x${"77".repeat(32)}`);
      expect(answer.statusCode).to.equal(503);
      expect(answer.json()).to.include({ code: "declined" });
      expect(answer.body).not.to.include("signature");
    });

    it("report how busy the provider is", async () => {
      expect((await get("/v1/queue")).json()).to.deep.equal({
        accepting: true,
        slots: 1,
        device: "NVIDIA H200",
        running: 1,
        waiting: 0,
        waitSeconds: 0,
      });
      expect((await get("/healthz")).json()).to.deep.equal({ status: "ok" });
      readiness.set({ name: "gas", message: "The wallet is empty.", hint: "Send OG to it." });
      expect((await get("/v1/queue")).json()).to.include({ accepting: false });
    });
  });

  describe("slots for log followers", () => {
    const take = (places: StreamLimit, who: string, task: string) =>
      places.take(who, task as TaskId) !== null;

    it("are limited per task and per user, so that one user does not take them all", () => {
      const places = new StreamLimit();
      const taken = Array.from({ length: 100 }, () => take(places, "a", "1")).filter(Boolean);
      expect(taken).to.have.length(4);
      for (let task = 2; task < 50; task++)
        for (let n = 0; n < 4; n++) take(places, "a", `${task}`);
      expect(take(places, "a", "99")).to.equal(false);
      expect(take(places, "b", "100")).to.equal(true);
    });

    it("are reserved for users who have none, and released", () => {
      const places = new StreamLimit();
      const others = Array.from({ length: 20 }, (_, user) => `${user}`);
      for (const user of others)
        for (let n = 0; n < 16; n++) take(places, user, `${user}-${n % 4}`);
      expect(take(places, "0", "0-9")).to.equal(false);
      const leave = places.take("late", "x" as TaskId);
      expect(leave).to.not.equal(null);
      leave!();
    });
  });

  describe("limits", () => {
    it("build a usage archive once for concurrent requests", async () => {
      const archives = new UsageArchives();
      const asked = Array.from({ length: 100 }, () => archives.of(MODEL));
      const built = await Promise.all(asked);
      expect(new Set(built).size).to.equal(1);
    });

    it("distinguish users behind a proxy on this machine, and only there", async () => {
      const ask = (remoteAddress: string, user: number) =>
        app.inject({
          url: "/healthz",
          remoteAddress,
          headers: { "x-forwarded-for": `10.0.0.${user}` },
        });
      const refused = async (remoteAddress: string) => {
        const answers = Array.from({ length: 150 }, (_, user) => ask(remoteAddress, user));
        return (await Promise.all(answers)).filter(({ statusCode }) => statusCode === 429).length;
      };
      expect(await refused("127.0.0.1")).to.equal(0);
      expect(await refused("192.0.2.1")).to.equal(50);
    });

    it("throttle one address, and serve it again later", async () => {
      const statuses = await Promise.all(Array.from({ length: 150 }, () => get("/healthz")));
      expect(statuses.filter(({ statusCode }) => statusCode === 429)).to.have.length(50);
      now += 1_000;
      expect((await get("/healthz")).statusCode).to.equal(200);
    });

    it("refuse bodies", async () => {
      const answer = await app.inject({
        method: "POST",
        url: "/v1/queue",
        headers: { "content-type": "application/json" },
        payload: JSON.stringify("x".repeat(10_000)),
      });
      expect(answer.statusCode).to.be.oneOf([404, 413]);
      expect(answer.json()).to.have.all.keys("code", "message", "hint");
    });

    it("use the same error format for unknown routes", async () => {
      const answer = await get("/v2/anything");
      expect(answer.statusCode).to.equal(404);
      expect(answer.json().code).to.equal("not-found");
    });

    it("disclose no internals on an internal error", async () => {
      store.openJobs = () => {
        throw new Error("/secret/path is broken");
      };
      const answer = await get("/v1/queue");
      expect(answer.statusCode).to.equal(500);
      expect(answer.body).not.to.include("secret");
    });
  });

  describe("sealed secrets of an order", () => {
    const path = `/v1/tasks/${UUID}/secrets`;
    const file = () => join(directory, UUID, "secrets.sealed");
    const seal = (id = ID) => {
      const encryptionKey = getBytes(ENCRYPTION_KEY.publicKey);
      return Buffer.from(sealSecrets({ encryptionKey, id, secrets: { hfApiToken: "hf_secret" } }));
    };
    const put = async (body: Buffer, { signer = user, signedBody = body } = {}) => {
      const at = { method: "PUT", path, body: signedBody, now: new Date(now) };
      const headers = {
        ...(await signRequest(clientOf(signer), at)),
        "content-type": "application/octet-stream",
      };
      return app.inject({ method: "PUT", url: path, headers, payload: body });
    };

    it("are stored as received, readable by the daemon alone, and replaced by later ones", async () => {
      expect((await put(seal())).json()).to.deep.equal({ stored: true });
      const sealed = seal();
      expect((await put(sealed)).statusCode).to.equal(200);
      expect(readFileSync(file())).to.deep.equal(sealed);
      expect(statSync(file()).mode & 0o777).to.equal(0o600);
      const encryptionKeys = new EncryptionKeys(ENCRYPTION_KEY);
      const context = { jobsDirectory: directory, encryptionKeys };
      expect(await readSecrets(context, ID)).to.deep.equal({ hfApiToken: "hf_secret" });
    });

    it("are accepted from the task's user only, and unchanged", async () => {
      expect((await put(seal(), { signer: stranger })).statusCode).to.equal(403);
      expect((await put(seal(), { signedBody: seal() })).statusCode).to.be.oneOf([401, 403]);
      expect(existsSync(file())).to.equal(false);
    });

    it("are refused if they do not open for this task, or are too large", async () => {
      const other = seal(`0x${"12".repeat(16)}` as TaskId);
      for (const body of [other, Buffer.from("in the clear"), Buffer.alloc(0)]) {
        const answer = await put(body);
        expect(answer.statusCode).to.equal(400);
        expect(answer.json()).to.have.all.keys("code", "message", "hint");
      }
      expect((await put(Buffer.alloc(5_000))).statusCode).to.equal(413);
      expect(existsSync(file())).to.equal(false);
    });

    it("are refused after the training run has ended", async () => {
      putJob({ chain: "Accepted", work: "trained" });
      expect((await put(seal())).statusCode).to.equal(409);
    });
  });

  describe("cancellation of a running task", () => {
    const path = `/v1/tasks/${UUID}/cancellation`;
    const chainDeadline = () => Math.floor(now / 1000) + 600;
    const put = async (body: object, signer = user) => {
      const payload = Buffer.from(JSON.stringify(body));
      const request = { method: "PUT", path, body: payload, now: new Date(now) };
      const headers = await signRequest(clientOf(signer), request);
      return app.inject({
        method: "PUT",
        url: path,
        payload,
        headers: { ...headers, "content-type": "application/octet-stream" },
      });
    };
    const consent = async (amount: bigint, signer = user, deadline = chainDeadline()) => {
      const terms = { id: ID, amount, deadline };
      const { signature } = await consentToSettlement(clientOf(signer), terms);
      return { amount: `${amount}`, deadline, signature };
    };

    beforeEach(() => {
      putJob({ chain: "Accepted", work: "counted", slot: true, pending: "train" }, { fee: 1_000n });
      writeEvents({ seq: 1, type: "progress", step: 3, total: 8 });
    });

    it("requests the part of the fee that was earned, and accepts consent to exactly that", async () => {
      const offer = (await signed(path)).json();
      expect(offer).to.include({ id: UUID, amount: "375", fee: "1000" });
      writeEvents({ seq: 2, type: "progress", step: 4, total: 8 }); // the offer holds
      expect((await put(await consent(375n))).statusCode).to.equal(200);
      expect(store.job(ID)?.job).to.include({ pending: "settle" });
      expect(store.job(ID)?.job.settlement?.amount).to.equal("375");
      expect(cancelled).to.deep.equal([ID]);
    });

    it("requests at most the fee and at least nothing, whatever a training run claims", async () => {
      const claims = [
        { step: 1e300, total: 1, amount: "1000" },
        { step: 1, total: 1e300, amount: "0" },
        { step: -5, total: 8, amount: "0" },
        { step: 5, total: -8, amount: "0" },
        { step: "8", total: 8, amount: "0" },
        { step: 8, total: null, amount: "0" },
      ];
      for (const [index, { amount, ...claim }] of claims.entries()) {
        writeEvents({ seq: index + 2, type: "progress", ...claim });
        expect((await signed(path)).json(), JSON.stringify(claim)).to.include({ amount });
      }
    });

    it("accepts only the user's own valid consent to the amount offered", async () => {
      await signed(path);
      const bad = [
        await consent(374n),
        await consent(375n, stranger),
        await consent(375n, user, Math.floor(now / 1000)),
        { amount: "375" },
      ];
      for (const body of bad) expect((await put(body)).statusCode).to.be.oneOf([400, 409]);
      expect((await put(await consent(375n), stranger)).statusCode).to.equal(403);
      now += 121_000;
      expect((await put(await consent(375n))).statusCode).to.equal(409);
      expect(store.job(ID)?.job.settlement).to.equal(null);
    });

    it("is refused for a task that is not running", async () => {
      for (const chain of ["Created", "Delivered", "Settled"] as const) {
        putJob({ chain });
        expect((await signed(path)).statusCode).to.equal(409);
      }
    });
  });

  describe("operating", () => {
    it("is ready while the chain is being followed", async () => {
      expect((await get("/readyz")).statusCode).to.equal(503);
      metrics.chainSeen(now);
      expect((await get("/readyz")).statusCode).to.equal(200);
      now += 61_000;
      expect((await get("/readyz")).statusCode).to.equal(503);
    });

    it("reports each reason why it is not ready, to people and to Prometheus", async () => {
      metrics.chainSeen(now);
      const gas = { name: "gas", message: "The wallet is empty.", hint: "Send OG to it." };
      const chain = { name: "chain", message: "It is another chain.", hint: "See RPC_ENDPOINT." };
      expect(readiness.set(gas)).to.equal(true);
      expect(readiness.set(gas)).to.equal(false);
      readiness.set(chain);
      const answer = await get("/readyz");
      expect(answer.statusCode).to.equal(503);
      const { message, hint } = gas;
      expect(answer.json()).to.deep.equal({
        code: "too-early",
        message,
        hint,
        reasons: [gas, chain],
      });
      expect((await get("/metrics")).body).to.include('anneal_not_ready{reason="gas"} 1');

      expect(readiness.clear("gas")).to.equal(true);
      now += 1_000; // metrics are cached for this long
      expect((await get("/readyz")).json().reasons).to.deep.equal([chain]);
      expect((await get("/metrics")).body).not.to.include('anneal_not_ready{reason="gas"}');
      readiness.clear("chain");
      expect((await get("/readyz")).statusCode).to.equal(200);
    });

    it("measures every step of a task, and how many tasks there are", async () => {
      metrics.stepDone("train", 90_000);
      const text = (await get("/metrics")).body;
      expect(text).to.include('anneal_step_seconds_bucket{le="300",step="train"} 1');
      expect(text).to.include('anneal_jobs{state="running"} 1');
    });

    it("documents exactly the existing routes", async () => {
      const { paths } = (await get("/openapi.json")).json();
      const described = Object.entries(paths).flatMap(([path, methods]) =>
        Object.keys(methods as object).map((method) => `${method.toUpperCase()} ${path}`),
      );
      for (const route of described) {
        const [method, path] = route.split(" ");
        const url = path!.replace(/\{(\w+)\}/g, ":$1");
        expect(app.hasRoute({ method: method as "GET", url }), route).to.equal(true);
      }
      const routes = app.printRoutes({ commonPrefix: false });
      expect(described.length).to.equal(routes.match(/\b(GET|PUT|POST|DELETE)\b/g)!.length);
    });
  });
});
