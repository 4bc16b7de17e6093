import { spawn } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { toBeHex, Wallet } from "ethers";
import { after, before, describe, it } from "mocha";
import { openAccount } from "../../../sdk/account/calls.ts";
import { createClient } from "../../../sdk/client.ts";
import { openSecrets } from "../../../sdk/exchange/openSecrets.ts";
import { parseTaskId } from "../../../sdk/ids.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { parseOg } from "../../../sdk/units.ts";
import { ENCRYPTION_SECRET } from "../../helpers/MarketFixture.ts";
import { CommandFixture } from "./CommandFixture.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const HARDHAT = join(ROOT, "node_modules/hardhat/dist/src/cli.js");
const WANDB = "wandb0123456789abcdef0123456789abcdef0123";
const HUB = "hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345678";

describe("tasks: secrets", () => {
  let market: CommandFixture;
  let dataset: string;
  before(async () => {
    market = await CommandFixture.open();
    dataset = join(market.folder, "train.jsonl");
    await writeFile(dataset, '{"prompt":"1+1=","completion":"2"}\n');
    const offer = { url: market.daemon.url, price: "0.000000000000000002", unit: "byte" };
    await market.json("register-provider", { ...offer, openTasks: "50", amount: "1" });
    await market.json("add-account", { amount: "1" });
  });
  after(() => market.close());

  const create = (flags: object, env: Record<string, string | undefined> = {}) => {
    const order = { model: "tiny-qwen2", trainingFile: dataset, json: true, ...flags };
    const none = { WANDB_API_KEY: undefined, HF_TOKEN: undefined, CI: "true" }; // CI: no keystore
    return market.run("fine-tuning create", order, { env: { ...none, ...env } });
  };

  it("refuses secrets as flags, and says where to put them", async () => {
    for (const [flag, name] of [
      ["wandbApiKey", "WANDB_API_KEY"],
      ["hfApiToken", "HF_TOKEN"],
    ] as const) {
      const { stdout, exitCode } = await create({ [flag]: WANDB });
      expect(exitCode).to.equal(2);
      expect(stdout).not.to.contain(WANDB);
      expect(JSON.parse(stdout).error.hint).to.contain(name).and.contain("keystore set");
    }
  });

  it("requires a token that the order needs, before any money moves", async () => {
    const before = await market.json("get-account");
    for (const [flags, name] of [
      [{ wandbProjectName: "sums" }, "WANDB_API_KEY"],
      [{ hfOutputRepoName: "me/sums" }, "HF_TOKEN"],
    ] as const) {
      const { stdout, exitCode } = await create(flags);
      expect(exitCode).to.equal(2);
      expect(stdout).to.contain(`${name} is not set`);
    }
    const damaged = await create({ wandbProjectName: "sums" }, { WANDB_API_KEY: `${WANDB}\nx` });
    expect(damaged.exitCode).to.equal(2);
    expect(damaged.stdout).not.to.contain(WANDB);
    expect(await market.json("get-account")).to.deep.equal(before);
  });

  it("sends nothing that the order does not need", async () => {
    const env = { WANDB_API_KEY: WANDB, HF_TOKEN: HUB };
    expect((await create({}, env)).exitCode).to.equal(0);
    expect(market.daemon.sealed).to.deep.equal([]);
  });

  it("seals them for the provider; nothing of them is in arguments, files, output or on chain", async () => {
    const wallet = await newUser(market);
    const home = join(market.folder, "home");
    await mkdir(home);
    const words = ["fine-tuning", "create", "-m", "tiny-qwen2", "-t", dataset, "--yes", "--json"];
    const wanted = ["--wandb-project-name", "sums", "--hf-output-repo-name", "me/sums"];
    const child = spawn(process.execPath, [HARDHAT, ...words, ...wanted], {
      cwd: ROOT,
      env: {
        PATH: process.env.PATH,
        HOME: home,
        TMPDIR: market.folder,
        ...market.env,
        ZG_PRIVATE_KEY: wallet.privateKey,
        WANDB_API_KEY: WANDB,
        HF_TOKEN: HUB,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let isOver = false;
    const ended = new Promise<number | null>((done) => child.once("close", done));
    const [stdout, stderr, exitCode, commandLines] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      ended.finally(() => {
        isOver = true;
      }),
      watchCommandLines(() => isOver),
    ]);
    expect(exitCode, stderr).to.equal(0);

    const id = parseTaskId(JSON.parse(stdout).id);
    const sealed = market.daemon.sealed.at(-1)!;
    expect(openSecrets({ secret: ENCRYPTION_SECRET, id, sealed })).to.deep.equal({
      wandbApiKey: WANDB,
      hfApiToken: HUB,
    });

    const places = {
      output: stdout + stderr,
      arguments: commandLines,
      files: await readAll(market.folder),
      chain: await readChain(market),
      wire: Buffer.from(sealed).toString("latin1"),
    };
    for (const [place, content] of Object.entries(places)) {
      expect(content, place).to.have.length.greaterThan(20);
      for (const each of [WANDB, HUB, wallet.privateKey.slice(2)]) {
        expect(content.includes(each), place).to.equal(false);
      }
    }
  });
});

/** A user with an account, whose key is in no source code: those of local chains are in Hardhat's own. */
async function newUser({ chain }: CommandFixture): Promise<{ readonly privateKey: string }> {
  const wallet = Wallet.createRandom();
  const client = createClient({ ...chain, storageUrl: "", privateKey: wallet.privateKey });
  try {
    await client.provider.send("hardhat_setBalance", [wallet.address, toBeHex(parseOg("10"))]);
    await send(client, openAccount(client, { amount: parseOg("1"), allowance: parseOg("1") }));
  } finally {
    client.provider.destroy();
  }
  return wallet;
}

/** The arguments of every process that existed at any moment. */
async function watchCommandLines(isOver: () => boolean): Promise<string> {
  const seen = new Set<string>();
  do {
    for (const process of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      seen.add(await readFile(join("/proc", process, "cmdline"), "utf8").catch(() => ""));
    }
    await sleep(20);
  } while (!isOver());
  return [...seen].join("\n");
}

async function readAll(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const contents = files.map(({ parentPath, name }) => readFile(join(parentPath, name), "latin1"));
  return (await Promise.all(contents)).join("\n");
}

/** All transactions, as text and as the bytes of their data. */
async function readChain({ chain }: CommandFixture): Promise<string> {
  const client = createClient({ ...chain, storageUrl: "" });
  try {
    const last = await client.provider.getBlockNumber();
    const numbers = Array.from({ length: last + 1 }, (_, number) => number);
    const blocks = await Promise.all(numbers.map((each) => client.provider.getBlock(each, true)));
    const data = blocks.flatMap((block) => block!.prefetchedTransactions.map((each) => each.data));
    return data.map((each) => each + Buffer.from(each.slice(2), "hex").toString("latin1")).join();
  } finally {
    client.provider.destroy();
  }
}
