import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { inParallel } from "../../../sdk/storage/files/inParallel.ts";
import { commands } from "../../../tasks/index.ts";
import { HANGS_AFTER } from "../../helpers/patience.ts";
import { CommandFixture } from "./CommandFixture.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const HARDHAT = join(ROOT, "node_modules/hardhat/dist/src/cli.js");

describe("tasks: without a terminal", () => {
  let market: CommandFixture;
  before(async () => {
    market = await CommandFixture.open();
    const offer = { url: market.daemon.url, price: "0.000000000000000001", unit: "byte" };
    await market.json("register-provider", { ...offer, amount: "1" });
    await market.json("add-account", { amount: "1" });
  });
  after(() => market.close());

  /** A process whose stdin is a pipe that nobody writes to: a read would block forever. */
  async function type(words: readonly string[], env: Record<string, string> = {}) {
    const child = spawn(process.execPath, [HARDHAT, ...words], {
      cwd: ROOT,
      env: { PATH: process.env.PATH, HOME: market.folder, ...market.env, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), HANGS_AFTER);
    const [stdout, stderr, exitCode] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise<number | null>((done) => child.once("exit", done)),
    ]);
    clearTimeout(timer);
    return { stdout, stderr, exitCode };
  }

  it("a command that would have to ask exits 2 and names the flag that confirms", async () => {
    const dataset = join(market.folder, "train.jsonl");
    const config = join(market.folder, "config.json");
    await writeFile(dataset, '{"prompt":"1+1=","completion":"2"}\n');
    await writeFile(config, "{}");
    market.daemon.queue = { slots: 1, running: 1, waiting: 2 };
    const order = ["--provider", market.provider.address, "--model", "tiny-qwen2"];
    const { root } = await market.json("upload", { dataPath: dataset });
    for (const words of [
      ["fine-tuning", "create", ...order, "--training-file", dataset],
      ["create-task", ...order, "--dataset", root, "--config-path", config, "--data-size", "50"],
    ]) {
      const { stderr, exitCode } = await type(words);
      expect(exitCode, stderr).to.equal(2);
      expect(stderr).to.contain("Provider busy").and.contain("--yes");
    }
    market.daemon.queue = { slots: 1, running: 0, waiting: 0 };
  });

  it("asks for no password: without a configured key it exits 2", async () => {
    const env = { RPC_ENDPOINT: market.env.RPC_ENDPOINT!, CI: "" };
    const { stderr, exitCode } = await type(["get-account", "--network", "testnet"], env);
    expect(exitCode).to.equal(2);
    expect(stderr).to.contain("ZG_PRIVATE_KEY");
  });

  it("no command waits for an answer, whatever is missing", async () => {
    const names = commands.map(({ path }) => [...path]);
    expect(names.length).to.be.greaterThan(30);
    await inParallel(names, async (id) => {
      const { stderr, exitCode } = await type(id);
      expect(exitCode, `${id.join(" ")}: ${stderr}`).to.be.oneOf([0, 1, 2, 4]);
    });
  });
});
