import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { listTasks } from "../../../sdk/task/listTasks.ts";
import { TradeFixture } from "./TradeFixture.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const DATASET = join(ROOT, "examples/capitals.jsonl");

describe("the example program, with a real daemon", () => {
  let trade: TradeFixture;
  before(async () => {
    trade = await TradeFixture.open({ fastTrainer: true });
  });
  after(() => trade.close());

  /** Runs it with a wallet that has no account yet, in the market's folder. */
  const run = async (...words: readonly string[]) => {
    const { chain, storageUrl, folder } = trade.market;
    const child = spawn(process.execPath, [join(ROOT, "examples/order.ts"), ...words], {
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        RPC_ENDPOINT: chain.rpcUrl,
        STORAGE_ENDPOINT: storageUrl,
        ANNEAL_DEPLOYMENTS: join(folder, "deployment"),
        ZG_PRIVATE_KEY: chain.accounts[3]!.privateKey,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = new Promise<number | null>((done) => child.once("close", done));
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { stdout, stderr, exitCode: await ended };
  };

  it("leads from a dataset to the model, once", async () => {
    const { market } = trade;
    const first = await run(DATASET, "tiny-qwen2");
    expect(first.exitCode, first.stderr + trade.explain()).to.equal(0);
    expect(first.stdout).to.contain("The model is in model.zip.");
    expect(existsSync(join(market.folder, "model.zip"))).to.equal(true);
    const again = await run(DATASET, "tiny-qwen2");
    expect(again.exitCode, again.stderr).to.equal(0);
    const tasks = await listTasks(market.reader, { user: market.stranger.address });
    expect(tasks.map(({ state }) => state)).to.deep.equal(["Settled"]);
  });

  it("says what is wrong and what to do", async () => {
    const missing = await run(DATASET);
    expect(missing.exitCode).to.equal(2);
    expect(missing.stderr).to.contain("The dataset or the model is missing. Give both");
    const unknown = await run(DATASET, "tiny-qwen3");
    expect(unknown.exitCode).to.equal(2);
    expect(unknown.stderr).to.contain('Did you mean "tiny-qwen2"?');
  });
});
