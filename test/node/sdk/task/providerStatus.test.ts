import { expect } from "chai";
import { Wallet } from "ethers";
import { after, before, beforeEach, describe, it } from "mocha";
import { createClient } from "../../../../sdk/client.ts";
import { formatTaskId, type TaskId } from "../../../../sdk/ids.ts";
import { verifyRequest } from "../../../../sdk/service/signedRequest.ts";
import { fetchTaskStatus } from "../../../../sdk/task/fetchTaskStatus.ts";
import { streamEvents, streamLog } from "../../../../sdk/task/streamTask.ts";
import {
  type FakeProviderApi,
  type Route,
  startFakeProviderApi,
} from "../../../helpers/fakeProviderApi.ts";
import { rejection } from "../../../helpers/rejection.ts";

const ID = `0x${"ab".repeat(16)}` as TaskId;
const BASE = `/v1/tasks/${formatTaskId(ID)}`;
const SERVING = `0x${"55".repeat(20)}`;
const PROVIDER = `0x${"33".repeat(20)}`;
const wallet = new Wallet(`0x${"44".repeat(32)}`);

const STATUS = {
  id: formatTaskId(ID),
  state: "training",
  progress: "Training",
  queuePosition: null,
  step: 3,
  totalSteps: 10,
  epoch: 0.3,
  loss: 2.5,
  tokensPerSecond: 100.5,
  secondsLeft: 7,
  failure: null,
  lossBefore: null,
  lossAfter: null,
  accuracyBefore: null,
  accuracyAfter: null,
};

describe("sdk/task status and streams from the provider", () => {
  const client = createClient({
    rpcUrl: "http://127.0.0.1:1",
    deployment: {
      chainId: 31337,
      ledger: { address: SERVING, abi: [] },
      serving: { address: SERVING, abi: [] },
      blockNumber: 0,
    },
    storageUrl: "http://127.0.0.1:1",
    privateKey: wallet.privateKey,
  });
  let api: FakeProviderApi;
  let signers: string[];
  before(async () => {
    api = await startFakeProviderApi();
  });
  beforeEach(() => {
    signers = [];
  });
  after(() => api.close());

  const service = () => ({ provider: PROVIDER, url: api.url });
  const options = { retryDelay: 1 };

  /** Checks the signature like the daemon and counts it. */
  const signed =
    (answer: Route): Route =>
    (request, response, url) => {
      const { user } = verifyRequest({
        chainId: 31337,
        serving: SERVING,
        method: request.method!,
        path: request.url!,
        header: request.headers.authorization,
        now: new Date(),
      });
      signers.push(user);
      return answer(request, response, url);
    };

  async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
    const items: T[] = [];
    for await (const item of stream) items.push(item);
    return items;
  }

  it("asks for the status with the user's signature", async () => {
    api.routes[BASE] = signed(() => STATUS);
    expect(await fetchTaskStatus(client, { service: service(), id: ID })).to.deep.equal(STATUS);
    expect(signers).to.deep.equal([wallet.address]);
  });

  it("refuses a status with an unknown progress", async () => {
    api.routes[BASE] = () => ({ ...STATUS, progress: "Done" });
    const error = await rejection(fetchTaskStatus(client, { service: service(), id: ID }));
    expect(error.code).to.equal("network");
    expect(error.message).to.contain("answers wrongly");
  });

  it("reports that the provider does not know the task", async () => {
    api.routes[BASE] = (_request, response) => {
      response.statusCode = 404;
      return { code: "not-found", message: "There is no such task.", hint: "Check the id." };
    };
    const error = await rejection(fetchTaskStatus(client, { service: service(), id: ID }));
    expect(error.code).to.equal("not-found");
    expect(error.hint).to.equal("Check the id.");
  });

  it("reads a log line by line, wherever the network splits it", async () => {
    api.routes[`${BASE}/log`] = signed((_request, response, url) => {
      expect(url.search).to.equal("");
      const bytes = Buffer.from(
        "Step: 0, Logs: {'loss': 1}\nÄrger\u001b[2J\n\nlast without an end",
      );
      for (const byte of bytes) response.write(Buffer.from([byte]));
      response.end();
    });
    expect(await collect(streamLog(client, { service: service(), id: ID }))).to.deep.equal([
      "Step: 0, Logs: {'loss': 1}",
      "Ärger [2J",
      "",
      "last without an end",
    ]);
  });

  it("resumes a followed log after a break, without a line lost or duplicated", async () => {
    const lines = ["one", "two", "three", "four"];
    let attempt = 0;
    api.routes[`${BASE}/log`] = signed(async (_request, response, url) => {
      expect(url.search).to.equal("?follow=true");
      attempt++;
      response.write(lines.slice(0, attempt * 2 - 1).join("\n"));
      response.write("\n");
      if (attempt === 1) {
        await new Promise((resolve) => setImmediate(resolve));
        response.destroy();
      } else {
        response.end("four\n");
      }
    });
    const log = streamLog(client, { service: service(), id: ID, follow: true, ...options });
    expect(await collect(log)).to.deep.equal(lines);
    expect(signers).to.have.length(2);
  });

  it("does not resume a log that is not followed", async () => {
    api.routes[`${BASE}/log`] = async (_request, response) => {
      response.write("one\n");
      await new Promise((resolve) => setImmediate(resolve));
      response.destroy();
    };
    const error = await rejection(collect(streamLog(client, { service: service(), id: ID })));
    expect(error.code).to.equal("network");
    expect(error.message).to.contain("was lost");
  });

  it("stops following a provider that no longer answers", async () => {
    const gone = { provider: PROVIDER, url: "http://127.0.0.1:9" };
    const log = streamLog(client, { service: gone, id: ID, follow: true, ...options });
    const error = await rejection(collect(log));
    expect(error.code).to.equal("network");
    expect(error.message).to.contain("does not answer at http://127.0.0.1:9");
  });

  it("does not repeat a request that was refused", async () => {
    let requests = 0;
    api.routes[`${BASE}/log`] = (_request, response) => {
      requests++;
      response.statusCode = 403;
      return { code: "declined", message: "This is another user's task.", hint: "" };
    };
    const log = streamLog(client, { service: service(), id: ID, follow: true, ...options });
    expect((await rejection(collect(log))).code).to.equal("declined");
    expect(requests).to.equal(1);
  });

  it("reads events after a number, and requests the rest after a break", async () => {
    const asked: string[] = [];
    const event = (seq: number) => `${JSON.stringify({ seq, type: "progress", step: seq })}\n`;
    api.routes[`${BASE}/events`] = signed(async (_request, response, url) => {
      asked.push(url.searchParams.get("after")!);
      const start = Number(url.searchParams.get("after"));
      response.write(event(start + 1));
      if (asked.length < 3) {
        await new Promise((resolve) => setImmediate(resolve));
        response.destroy();
        return;
      }
      response.end(event(start + 1)); // repeated: must not be delivered twice
    });
    const stream = streamEvents(client, {
      service: service(),
      id: ID,
      follow: true,
      after: 5,
      ...options,
    });
    expect((await collect(stream)).map(({ seq, step }) => [seq, step])).to.deep.equal([
      [6, 6],
      [7, 7],
      [8, 8],
    ]);
    expect(asked).to.deep.equal(["5", "6", "7"]);
  });

  it("refuses invalid events, and cleans the text of others", async () => {
    api.routes[`${BASE}/events`] = () => '{"seq":1,"type":"warning","message":"a\\u001b[2Jb"}\n';
    const [event] = await collect(streamEvents(client, { service: service(), id: ID }));
    expect(event!.message).to.equal("a [2Jb");
    api.routes[`${BASE}/events`] = () => '{"type":"progress"}\n';
    const error = await rejection(collect(streamEvents(client, { service: service(), id: ID })));
    expect(error.message).to.contain("answers wrongly");
  });

  it("does not let an endless line fill the memory", async () => {
    api.routes[`${BASE}/log`] = (_request, response) => {
      response.end("x".repeat(300_000));
    };
    const lines = await collect(streamLog(client, { service: service(), id: ID }));
    expect(lines.join("")).to.have.length(300_000);
    expect(Math.max(...lines.map((line) => line.length))).to.be.lessThan(200_000);
  });

  it("ends with the caller's reason, also while it waits for the next line", async () => {
    const stop = new AbortController();
    api.routes[`${BASE}/log`] = (_request, response) => {
      response.write("one\n");
    };
    const { signal } = stop;
    const seen: string[] = [];
    let reason: unknown;
    try {
      for await (const line of streamLog(client, {
        service: service(),
        id: ID,
        follow: true,
        signal,
      })) {
        seen.push(line);
        stop.abort(new Error("enough"));
      }
    } catch (error) {
      reason = error;
    }
    expect(seen).to.deep.equal(["one"]);
    expect(reason).to.equal(signal.reason);
  });
});
