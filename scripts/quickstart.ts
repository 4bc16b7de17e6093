/**
 * `npm start`: a whole market on this machine, and the life of one fine-tuning task in it, told through the commands a
 * user types. Everything is real: chain node, contracts, storage node, provider daemon, training. `--keep` leaves the
 * network running for you to go on by hand.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { promisify, styleText } from "node:util";
import { HDNodeWallet, JsonRpcProvider, Mnemonic } from "ethers";
import { hasSandbox } from "../provider/training/sandbox.ts";
import { formatOg } from "../sdk/units.ts";
import { CONFIG, makeDataset } from "./quickstart/dataset.ts";
import { Stack } from "./quickstart/Stack.ts";

const keep = process.argv.includes("--keep");
const execute = promisify(execFile);
const HARDHAT = "node_modules/.bin/hardhat";
const NODE = "node_modules/.bin/node";
const PYTHON = ".venv/bin/python";
const OUTPUT = "output";
/** The accounts that every local Hardhat node starts with: worth nothing anywhere else. */
const MNEMONIC = Mnemonic.fromPhrase("test test test test test test test test test test test junk");
const account = (index: number) => HDNodeWallet.fromMnemonic(MNEMONIC, `m/44'/60'/0'/0/${index}`);
const PROVIDER = account(1);
const USER = account(2);
const PORTS = { chain: 8545, storage: 5678, api: 3080 };
const MODEL = "tiny-qwen2";
const MODELS = {
  "tiny-qwen2": "Qwen2 with random weights, small enough to train on a laptop in a minute",
  "tiny-distilbert":
    "DistilBERT with random weights, small enough to train on a laptop in a minute",
};

const stack = new Stack();
let step = "starting";
/** What is being typed. */
let command: ChildProcess | undefined;
let userEnvironment: NodeJS.ProcessEnv = {};

const title = (text: string) => console.log(`\n${styleText("bold", text)}`);
const note = (text: string) => console.log(styleText("dim", text));

/** Types a command as a user would and shows it with its output. */
async function type(name: string, args: readonly string[], env = userEnvironment): Promise<void> {
  const words = [name, ...args, "--network", "localhost"];
  step = `npx hardhat ${words.join(" ")}`;
  console.log(`\n${styleText("cyan", "$")} ${styleText("bold", step)}`);
  const child = spawn(HARDHAT, words, { env, stdio: ["ignore", "inherit", "inherit"] });
  command = child;
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  if (code !== 0) throw new Error(`The command ended with exit code ${code}.`);
}

/** Runs a command for its JSON, without showing it. */
async function ask<T>(command: string, args: readonly string[]): Promise<T> {
  const { stdout } = await execute(
    HARDHAT,
    [command, ...args, "--network", "localhost", "--json"],
    {
      env: userEnvironment,
    },
  );
  return JSON.parse(stdout) as T;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** The usual ports where all are free; others, with the environment to match, where another network is running. */
/** Whether `deployments/localhost` is this run's and goes with it. */
let ownsDeployments = false;

async function choosePlace(): Promise<{ ports: typeof PORTS; env: NodeJS.ProcessEnv }> {
  const usual = (await Promise.all(Object.values(PORTS).map(isFree))).every(Boolean);
  if (usual) {
    // whatever lies there was left by a network that is gone: nothing answers on its ports
    await rm("deployments/localhost", { recursive: true, force: true });
    ownsDeployments = true;
    return { ports: PORTS, env: {} };
  }
  if (keep) {
    throw new Error("A local network is running already: stop it before starting another to keep.");
  }
  const [chain, storage, api] = [await freePort(), await freePort(), await freePort()];
  const env = {
    RPC_ENDPOINT: `http://127.0.0.1:${chain}`,
    STORAGE_ENDPOINT: `http://127.0.0.1:${storage}`,
    ANNEAL_DEPLOYMENTS: join(directory, "deployments/localhost"),
  };
  note("The usual ports are taken, so this run uses others. The commands below need:");
  for (const [name, value] of Object.entries(env)) note(`  export ${name}=${value}`);
  return { ports: { chain, storage, api }, env };
}

/** A user's wallet, before and after: what the whole task cost. */
async function gasOf(
  rpc: JsonRpcProvider,
  address: string,
): Promise<{ gas: bigint; cost: bigint }> {
  const last = await rpc.getBlockNumber();
  const numbers = Array.from({ length: last }, (_, index) => index + 1);
  const blocks = await Promise.all(numbers.map((number) => rpc.getBlock(number)));
  const hashes = blocks.flatMap((block) => block?.transactions ?? []);
  const receipts = await Promise.all(hashes.map((hash) => rpc.getTransactionReceipt(hash)));
  const mine = receipts.filter((receipt) => receipt?.from === address);
  return {
    gas: mine.reduce((sum, receipt) => sum + receipt!.gasUsed, 0n),
    cost: mine.reduce((sum, receipt) => sum + receipt!.fee, 0n),
  };
}

/** Where the network's state lies: gone at the end, unless the network is kept. */
let directory = "";

async function main(): Promise<void> {
  if (keep) {
    directory = join(process.cwd(), ".anneal");
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory);
  } else {
    directory = await mkdtemp(join(tmpdir(), "anneal-quickstart-"));
  }
  await Promise.race([play(), stack.death]);
  if (!keep) await cleanUp();
}

async function cleanUp(): Promise<void> {
  command?.kill();
  await stack.stop();
  if (directory !== "") await rm(directory, { recursive: true, force: true });
  if (!ownsDeployments) return;
  await rm("deployments/localhost", { recursive: true, force: true });
  await rmdir("deployments").catch(() => undefined); // other networks' deployments stay
}

async function startNetwork(): Promise<{ url: string; api: string }> {
  title("1. The network: chain, contracts, storage, provider");
  const { ports, env } = await choosePlace();
  const rpcUrl = `http://127.0.0.1:${ports.chain}`;
  const bare = { ...process.env, ...env };
  userEnvironment = { ...bare, ZG_PRIVATE_KEY: USER.privateKey };

  step = "building the contracts";
  await execute(HARDHAT, ["build", "--quiet"]);
  step = "starting the chain";
  await stack.start(
    "chain",
    [HARDHAT, "node", "--hostname", "127.0.0.1", "--port", String(ports.chain)],
    { env: process.env, ready: /Started HTTP/, timeoutSeconds: 60, directory },
  );
  note(`chain     ${rpcUrl} (chain id 31337)`);
  step = "deploying the contracts";
  await execute(HARDHAT, ["deploy", "--network", "localhost"], { env: bare });
  const deployments = env.ANNEAL_DEPLOYMENTS ?? "deployments/localhost";
  for (const name of ["Ledger", "FineTuningServing"]) {
    const { address } = JSON.parse(await readFile(join(deployments, `${name}.json`), "utf8"));
    note(`contract  ${name} at ${address}`);
  }
  step = "making the tiny models";
  await execute(PYTHON, ["-m", "finetune.tiny_models", join(directory, "models")], {
    env: { ...process.env, PYTHONPATH: "provider/trainer" },
  });
  for (const [name, description] of Object.entries(MODELS)) {
    await writeFile(
      join(directory, "models", name, "anneal.json"),
      JSON.stringify({ description }),
    );
  }
  step = "starting the provider";
  const sandbox = hasSandbox();
  await stack.start("provider", [NODE, "provider/main.ts"], {
    env: {
      ...bare,
      RPC_ENDPOINT: rpcUrl,
      PROVIDER_PRIVATE_KEY: PROVIDER.privateKey,
      PROVIDER_DIR: join(directory, "provider"),
      PROVIDER_PORT: String(ports.api),
      STORAGE_PORT: String(ports.storage),
      STORAGE_ENDPOINT: "",
      MODELS_DIR: join(directory, "models"),
      DEPLOYMENT_DIR: deployments,
      PYTHON,
      SANDBOX: sandbox ? "on" : "off",
    },
    ready: /"ready"/,
    timeoutSeconds: 60,
    directory,
  });
  note(`storage   http://127.0.0.1:${ports.storage}`);
  note(`provider  http://127.0.0.1:${ports.api}, account ${PROVIDER.address}`);
  if (!sandbox)
    note("sandbox   none: bubblewrap is not installed, so the training runs without one");
  return { url: rpcUrl, api: `http://127.0.0.1:${ports.api}` };
}

async function play(): Promise<void> {
  const started = performance.now();
  const network = await startNetwork();
  const files = await prepareFiles();

  title("2. The provider offers his GPU");
  await type(
    "register-provider",
    ["--url", network.api, "--price", "0.000001", "--unit", "token", "--amount", "2"],
    {
      ...userEnvironment,
      ZG_PRIVATE_KEY: PROVIDER.privateKey,
    },
  );

  title("3. You open an account and look around");
  await type("add-account", ["--amount", "1"]);
  await type("list-providers", []);
  await type("list-models", []);

  title("4. You upload a dataset and see what it would cost");
  const at = ["--provider", PROVIDER.address];
  await type("upload", ["--data-path", files.train]);
  await type("upload", ["--data-path", files.validation]);
  const { root } = await ask<{ root: string }>("data-root", ["--data-path", files.train]);
  const validation = await ask<{ root: string }>("data-root", ["--data-path", files.validation]);
  const count = await ask<{ units: string }>("calculate-token", [
    ...at,
    "--model",
    MODEL,
    "--dataset-path",
    files.train,
  ]);
  await type("calculate-token", [...at, "--model", MODEL, "--dataset-path", files.train]);

  title("5. You order the training and watch it");
  await type("create-task", [
    ...at,
    "--model",
    MODEL,
    "--dataset",
    root,
    "--validation-dataset",
    validation.root,
    "--config-path",
    files.config,
    "--data-size",
    count.units,
    "--yes",
  ]);
  await type("get-task", [...at, "--wait", "Delivered"]);
  await type("get-log", at);

  title(
    "6. You fetch the encrypted model, acknowledge it, and open it with the key that the provider reveals",
  );
  const encrypted = join(OUTPUT, "model.encrypted");
  const model = join(OUTPUT, "model.zip");
  await type("acknowledge-model", [...at, "--data-path", encrypted]);
  await type("get-task", [...at, "--wait", "Finished"]);
  await type("decrypt-model", [...at, "--encrypted-model", encrypted, "--output", model]);

  title("7. What is left of the money");
  await type("get-account", []);
  await type("get-sub-account", at);
  await type("retrieve-fund", []);

  await summarize(network.url, model, started);
  if (keep) sayHowToGoOn();
}

async function prepareFiles() {
  step = "writing the dataset";
  await rm(OUTPUT, { recursive: true, force: true });
  await mkdir(OUTPUT, { recursive: true });
  const dataset = makeDataset();
  const files = {
    train: join(OUTPUT, "capitals.jsonl"),
    validation: join(OUTPUT, "capitals-validation.jsonl"),
    config: join(OUTPUT, "config.json"),
  };
  await writeFile(files.train, dataset.train);
  await writeFile(files.validation, dataset.validation);
  await writeFile(files.config, `${JSON.stringify(CONFIG, null, 2)}\n`);
  return files;
}

async function summarize(url: string, model: string, started: number): Promise<void> {
  step = "loading the decrypted model in transformers";
  const base = join(directory, "models", MODEL);
  const target = join(OUTPUT, "model");
  const prompts = ["What is the capital of Japan?", "Canada: name its capital."];
  const { stdout } = await execute(PYTHON, ["scripts/sample.py", base, model, target, ...prompts]);
  const sample: Record<"prompts" | "base" | "tuned", string[]> = JSON.parse(stdout);
  const task = await ask<TaskDocument>("get-task", ["--provider", PROVIDER.address]);
  const rpc = new JsonRpcProvider(url, 31337, { staticNetwork: true, batchMaxCount: 1 });
  const spent = await gasOf(rpc, USER.address);
  rpc.destroy();

  title("Done");
  const { lossBefore, lossAfter } = task.status;
  console.log(`Model      ${model}, unpacked in ${target}`);
  console.log(
    `Loss       ${lossBefore.toFixed(3)} before, ${lossAfter.toFixed(3)} after (validation)`,
  );
  sample.prompts.forEach((prompt, index) => {
    console.log(`Prompt     ${prompt}`);
    console.log(`  base     ${JSON.stringify(sample.base[index])}`);
    console.log(`  tuned    ${JSON.stringify(sample.tuned[index])}`);
  });
  console.log(
    `Cost       ${formatOg(BigInt(task.fee))} OG fee, ${spent.gas} gas (${formatOg(spent.cost)} OG here)`,
  );
  console.log(`Time       ${Math.round((performance.now() - started) / 1000)} seconds`);
}

/** What this script reads of `get-task --json`. */
interface TaskDocument {
  readonly fee: string;
  readonly status: { readonly lossBefore: number; readonly lossAfter: number };
}

function sayHowToGoOn(): void {
  const processes = stack.release();
  title("The network keeps running");
  console.log("Type any command with --network localhost, for example:");
  console.log(`  npx hardhat list-tasks --provider ${PROVIDER.address} --network localhost`);
  console.log(`Its state lies in ${relative(process.cwd(), directory)}. To stop it:`);
  const pids = processes.map(({ pid }) => pid).toReversed();
  console.log(
    `  kill ${pids.join(" ")}   # ${processes
      .map(({ name }) => name)
      .toReversed()
      .join(", ")}`,
  );
}

async function fail(error: unknown): Promise<void> {
  if (interrupted) return;
  const log = await stack.logOf("provider");
  await cleanUp();
  console.error(`\n${styleText("red", "The quick start failed")} at: ${step}`);
  console.error(error instanceof Error ? error.message : String(error));
  if (log) console.error(`\nThe provider's last words:\n${log}`);
  process.exit(1);
}

let interrupted = false;

/** Ctrl-C is no failure: everything is stopped and removed, and nothing more needs to be said. */
async function interrupt(): Promise<void> {
  interrupted = true; // the command that runs gets the signal, too, and fails
  await cleanUp();
  console.error(`\nInterrupted at: ${step}`);
  process.exit(130);
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, interrupt);

await main().catch(fail);
