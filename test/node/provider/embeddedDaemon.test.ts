import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import pino from "pino";
import { type Config, readConfig } from "../../../provider/config.ts";
import { Daemon } from "../../../provider/Daemon.ts";
import { DaemonFixture } from "./DaemonFixture.ts";

const log = pino({ level: "silent" });

/** The error of a rejected promise; undefined if it is fulfilled. */
const failureOf = (work: Promise<unknown>): Promise<Error | undefined> =>
  work.then(
    () => undefined,
    (error: Error) => error,
  );

describe("provider/Daemon, inside another program", () => {
  let market: DaemonFixture;
  let config: Config;
  let stop: AbortController;

  beforeEach(async () => {
    market = await DaemonFixture.open();
    mkdirSync(join(market.folder, "models"));
    config = readConfig(market.daemonVariables(market.makeFastTrainer()));
    stop = new AbortController();
  });
  afterEach(() => market.close());

  const start = () => Daemon.start(config, { log, signal: stop.signal });

  it("answers after its start, and leaves nothing behind after its end", async () => {
    const { api, ended } = await start();
    const terms = await (await fetch(`${api}/v1/terms`)).json();
    expect(terms).to.include({ provider: market.provider.address, url: api });
    stop.abort();
    await ended;
    expect(await failureOf(fetch(`${api}/v1/terms`))).to.be.instanceOf(TypeError);
    stop = new AbortController();
    const again = await start(); // its ports and its state are released
    stop.abort();
    await again.ended;
  });

  it("leaves the state of a running daemon alone, and releases what it had opened", async () => {
    const { ended } = await start();
    const error = await failureOf(start());
    expect(error?.message).to.contain("Another provider daemon is using");
    stop.abort();
    await ended;
  });

  it("stops waiting for a chain when it is stopped", async () => {
    config = { ...config, rpcUrl: "http://127.0.0.1:9" };
    const started = failureOf(start());
    stop.abort(new Error("enough"));
    expect((await started)?.message).to.equal("enough");
  });
});
