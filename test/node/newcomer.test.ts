import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { OWN_DATA } from "../../scripts/quickstart/howToContinue.ts";
import { DaemonFixture } from "./provider/DaemonFixture.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const HARDHAT = join(ROOT, "node_modules/hardhat/dist/src/cli.js");

/** The blocks of shell commands in the README that are about a task, in their order. */
const BLOCKS = [
  ...readFileSync(join(ROOT, "README.md"), "utf8").matchAll(/```bash\n([\s\S]*?)```/g),
]
  .map(([, block]) => block!.trim().split("\n"))
  .filter((lines) => lines.some((line) => line.startsWith("npx hardhat")));

describe("a newcomer who follows the README", () => {
  let marketplace: DaemonFixture;
  let output: string;
  /** The placeholders of the README that the reader fills in. */
  const blanks = new Map<string, string>();

  before(async () => {
    marketplace = await DaemonFixture.open();
    marketplace.makeModels();
    const daemon = marketplace.startDaemon();
    await marketplace.registerDaemon((await daemon.ready()).api, "token");
    output = join(marketplace.folder, "output");
    mkdirSync(output);
    writeFileSync(join(output, "config.json"), '{"n_epochs": 1, "n_evals": 1}');
    blanks.set("PROVIDER", marketplace.provider.address);
  });
  after(() => marketplace.close());

  /** Runs a line unchanged, except for the folder, which is the test's own, and the placeholders. */
  async function type(line: string): Promise<string> {
    const words = line
      .replace(/#.*$/, "")
      .trim()
      .replace(/^npx hardhat /, "")
      .replaceAll(/<(\w+)>|\$(\w+)/g, (_, a, b) => blanks.get(a ?? b) ?? `NOTHING FOR ${a ?? b}`)
      .replace("examples/config.json", join(output, "config.json")) // a shorter training run
      .replaceAll(/(?<= )output\//g, `${output}/`)
      .split(/\s+/);
    // There is no terminal on which to agree.
    const agreed = /^npx hardhat (fine-tuning create|create-task) /.test(line) ? ["--yes"] : [];
    const child = spawn(process.execPath, [HARDHAT, ...words, ...agreed], {
      cwd: ROOT,
      env: {
        PATH: process.env.PATH,
        HOME: marketplace.folder,
        RPC_ENDPOINT: marketplace.chain.rpcUrl,
        STORAGE_ENDPOINT: marketplace.storageUrl,
        ANNEAL_DEPLOYMENTS: join(marketplace.folder, "deployment"),
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr, exitCode] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise<number | null>((done) => child.once("close", done)),
    ]);
    expect(exitCode, `${line}\n${stdout}${stderr}`).to.equal(0);
    const root = /^Root hash: (0x[0-9a-f]{64})$/m.exec(stdout)?.[1];
    const blank = /prints <(\w+)>/.exec(line)?.[1];
    if (root && blank) blanks.set(blank, root);
    const size = /^Dataset size: (\d+) /m.exec(stdout)?.[1];
    if (size) blanks.set("SIZE", size);
    return stdout;
  }

  async function typeAll(lines: readonly string[]): Promise<void> {
    for (const line of lines) if (line.startsWith("npx hardhat")) await type(line);
  }

  it("gets from nothing to a decrypted model with one command", async () => {
    await typeAll(BLOCKS[0]!);
    const model = readFileSync(join(output, "capitals.zip"), "latin1");
    expect(model).to.contain("tiny-qwen2/model.safetensors");
  });

  it("repeats the order: the command finds its task, and orders and pays nothing", async () => {
    const order = BLOCKS[0]!.find((line) => line.includes("fine-tuning create"))!;
    const before = await type("npx hardhat fine-tuning list --json");
    expect(await type(order))
      .to.match(/^You ordered exactly this .* ago \(task [0-9a-f-]{36}\), and its model is ready/)
      .and.contain("already contains this model");
    expect(await type("npx hardhat fine-tuning list --json")).to.equal(before);
  });

  it("continues with data of their own as npm start -- --keep suggests", async () => {
    copyFileSync(join(ROOT, "examples/capitals.jsonl"), join(output, "my-data.jsonl"));
    await typeAll(OWN_DATA);
    const model = readFileSync(join(output, "my-model.zip"), "latin1");
    expect(model).to.contain("tiny-qwen2/model.safetensors");
  });

  it("gets there step by step as well", async () => {
    await typeAll(BLOCKS[1]!);
    const model = readFileSync(join(output, "model.zip"), "latin1");
    expect(model).to.contain("model.safetensors").and.contain("receipt.json");
  });
});
