import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { CTRL_C, CTRL_D, typeAtTerminal } from "../../helpers/typeAtTerminal.ts";
import { CommandFixture } from "./CommandFixture.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const HARDHAT = join(ROOT, "node_modules/hardhat/dist/src/cli.js");
const PASSWORD = "correct horse";

describe("tasks: questions at a terminal", () => {
  let market: CommandFixture;
  before(async () => {
    market = await CommandFixture.open();
    const offer = { url: market.daemon.url, price: "0.000000000000000001", unit: "byte" };
    await market.json("register-provider", { ...offer, amount: "1" });
    await market.json("add-account", { amount: "1" });
  });
  after(() => market.close());

  const type = (
    words: readonly string[],
    answers: readonly (readonly [string, string])[],
    env: Record<string, string> = {},
  ) =>
    typeAtTerminal([process.execPath, HARDHAT, ...words], answers, {
      HOME: market.folder,
      ...market.env,
      ...env,
    });

  for (const [key, typed] of [
    ["Ctrl-C", CTRL_C],
    ["Ctrl-D", CTRL_D],
    ["n", "n\r"],
    ["Enter", "\r"],
  ] as const) {
    it(`${key} declines: exit code 7, and nothing is ordered`, async () => {
      const config = join(market.folder, "config.json");
      writeFileSync(config, "{}");
      market.daemon.queue = { slots: 1, running: 1, waiting: 2 };
      const order = ["--provider", market.provider.address, "--model", "tiny-qwen2"];
      const dataPath = join(market.folder, "train.jsonl");
      writeFileSync(dataPath, '{"text":"a"}\n');
      const { root } = await market.json("upload", { dataPath });
      const dataset = ["--dataset", root, "--config-path", config, "--data-size", "13"];
      const { shown, exitCode } = await type(
        ["create-task", ...order, ...dataset],
        [["(y/N) ", typed]],
      );
      expect(exitCode, shown).to.equal(7);
      expect(shown)
        .to.match(/Error: .+\.\r\n.+/)
        .and.not.contain("await");
      expect((await market.json("fine-tuning list")).tasks).to.deep.equal([]);
    });
  }

  describe("about the password of the keystore", () => {
    const deployments = () => join(market.folder, "deployment-of-testnet");
    const setting = () => ({
      RPC_ENDPOINT: "http://127.0.0.1:1",
      ANNEAL_DEPLOYMENTS: deployments(),
    });
    const getAccount = ["get-account", "--network", "testnet"];
    before(async () => {
      mkdirSync(deployments());
      writeFileSync(join(deployments(), ".chain"), '{"chainId":"16602"}');
      for (const name of ["Ledger", "FineTuningServing"])
        copyFileSync(join(market.folder, `${name}.json`), join(deployments(), `${name}.json`));
      const { shown, exitCode } = await type(
        ["keystore", "set", "ZG_PRIVATE_KEY"],
        [
          ["password: ", `${PASSWORD}\r`],
          ["password: ", `${PASSWORD}\r`],
          [": ", `0x${"11".repeat(32)}\r`],
        ],
      );
      expect(exitCode, shown).to.equal(0);
    });

    it("takes the key if the password is right, and never shows what is typed", async () => {
      const answers = [["keystore: ", `${PASSWORD}\r`]] as const;
      const { shown, exitCode } = await type(getAccount, answers, setting());
      expect(exitCode, shown).to.equal(9); // no node answers there
      expect(shown).not.to.contain(PASSWORD);
    });

    it("is not asked without a terminal: exit code 2 and what to set", async () => {
      const child = spawnSync(process.execPath, [HARDHAT, ...getAccount], {
        cwd: ROOT,
        env: { PATH: process.env.PATH, HOME: market.folder, ...setting() },
        encoding: "utf8",
        input: "",
      });
      expect(child.status, child.stderr).to.equal(2);
      expect(child.stdout).to.equal("");
      expect(child.stderr).to.contain("Set ZG_PRIVATE_KEY").and.not.contain("await");
    });

    it("is not asked for a key that the keystore does not have", async () => {
      const env = { ...setting(), ZG_PRIVATE_KEY: `0x${"11".repeat(32)}` };
      const words = ["fine-tuning", "create", "-m", "x", "-t", "x", "--network", "testnet"];
      const { shown, exitCode } = await type([...words, "--wandb-name", "run"], [], env);
      expect(exitCode, shown).to.equal(2);
      expect(shown).to.contain("WANDB_API_KEY is not set").and.not.contain("Password");
    });

    it("says that the password is wrong", async () => {
      const answers = [["keystore: ", "wrong horse\r"]] as const;
      const { shown, exitCode } = await type(getAccount, answers, setting());
      expect(exitCode).to.equal(2);
      expect(shown).to.contain("the password is wrong").and.not.contain("HHE");
    });

    it("ends with exit code 7 after Ctrl-C and Ctrl-D", async () => {
      for (const typed of [CTRL_C, CTRL_D]) {
        const { shown, exitCode } = await type(getAccount, [["keystore: ", typed]], setting());
        expect(exitCode, shown).to.equal(7);
      }
    });
  });
});
