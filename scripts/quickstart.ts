/**
 * `npm start`: a whole market on this machine, and the life of one fine-tuning task in it, shown through the commands
 * that a user runs. Everything is real: chain node, contracts, storage node, provider daemon, training. `--keep` leaves
 * the network running, so that you can continue by hand; `npm stop` stops it.
 */
import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify, styleText } from "node:util";
import { HDNodeWallet, JsonRpcProvider, Mnemonic } from "ethers";
import { identify, type ProcessIdentity } from "../provider/processes/processTable.ts";
import { showStep } from "../provider/trainer/showStep.mjs";
import { hasSandbox } from "../provider/training/sandbox.ts";
import { endProcess } from "./quickstart/endProcess.ts";
import { findRunning } from "./quickstart/findRunning.ts";
import { foldLines } from "./quickstart/foldLines.ts";
import { gasOf } from "./quickstart/gasOf.ts";
import { sayHowToKeep, sayHowToUse } from "./quickstart/howToContinue.ts";
import {
  BUILDER,
  type KeptNetwork,
  makeDirectory,
  stateOf,
  writeNetwork,
} from "./quickstart/KeptNetwork.ts";
import { type Ending, onEnding } from "./quickstart/onEnding.ts";
import { EXAMPLES, makeRunDirectory, NETWORK_DIRECTORY } from "./quickstart/paths.ts";
import { freePort, PORTS, takenPorts } from "./quickstart/ports.ts";
import { note, title } from "./quickstart/print.ts";
import { renderSummary, type Summary } from "./quickstart/renderSummary.ts";
import { Stack } from "./quickstart/Stack.ts";

const keep = process.argv.includes("--keep");
const HARDHAT = "node_modules/.bin/hardhat";
const NODE = "node_modules/.bin/node";
const PYTHON = ".venv/bin/python";
/** The accounts of every local Hardhat node, which are worthless anywhere else. */
const MNEMONIC = Mnemonic.fromPhrase("test test test test test test test test test test test junk");
const account = (index: number) => HDNodeWallet.fromMnemonic(MNEMONIC, `m/44'/60'/0'/0/${index}`);
const PROVIDER = account(1);
const USER = account(2);
/** Works for the provider, and cannot take its money. */
const OPERATOR = account(3);
const MODEL = "tiny-qwen2";
/** Manifests of the models: two that any provider may offer, and one of this provider. */
const MODELS = {
  "tiny-qwen2": {
    description: "Qwen2 with random weights: answers questions after a minute of training",
  },
  "tiny-distilbert": {
    description: "DistilBERT with random weights: classifies texts",
    predefined: true,
  },
  "tiny-mobilenet-v2": {
    description: "MobileNetV2 with random weights: classifies images",
    predefined: true,
  },
};

const stack = new Stack();
const startedAt = new Date().toISOString();
/** The current step, for error messages. */
let step = "Starting";
let command: ProcessIdentity | null = null;
let userEnvironment: NodeJS.ProcessEnv = {};

/** Ends the programs that `execute` runs. */
const stopped = new AbortController();

/** Runs a program to its end; it is ended with this process, however that ends. */
function execute(file: string, args: readonly string[], options: { env?: NodeJS.ProcessEnv } = {}) {
  const running = promisify(execFile)(file, args, { ...options, signal: stopped.signal });
  stack.watch(running.child.pid);
  return running;
}

/** Shows a step that prints nothing itself. */
function during<T>(what: string, work: () => Promise<T>): Promise<T> {
  step = what;
  return showStep(what, work);
}

/** Runs a command as a user would, and shows it with its output; with `fold`, only the ends of a long one. */
async function type(
  name: string,
  args: readonly string[],
  { env = userEnvironment, fold = false } = {},
): Promise<void> {
  const words = [name, ...args, "--network", "localhost"];
  step = `npx hardhat ${words.join(" ")}`;
  console.log(`\n${styleText("cyan", "$")} ${styleText("bold", step)}`);
  const output = fold ? "pipe" : "inherit";
  const child = spawn(HARDHAT, words, { env, stdio: ["ignore", output, "inherit"] });
  command = stack.watch(child.pid);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  if (child.stdout) console.log(foldLines(await text(child.stdout)));
  const code = await ended;
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

/** Whether `deployments/localhost` belongs to this run and is removed with it. */
let ownsDeployments = false;

/** The default ports if all are free; if another network is running, other ports and the environment for them. */
async function choosePlace(): Promise<{ ports: typeof PORTS; env: NodeJS.ProcessEnv }> {
  if ((await takenPorts()).length === 0) {
    ownsDeployments = true;
    return { ports: PORTS, env: {} };
  }
  const [chain, storage, api] = [await freePort(), await freePort(), await freePort()];
  const env = {
    RPC_ENDPOINT: `http://127.0.0.1:${chain}`,
    STORAGE_ENDPOINT: `http://127.0.0.1:${storage}`,
    ANNEAL_DEPLOYMENTS: join(directory, "deployments/localhost"),
  };
  note("The default ports are in use, so this run uses others. The commands below need:");
  for (const [name, value] of Object.entries(env)) note(`  export ${name}=${value}`);
  return { ports: { chain, storage, api }, env };
}

/** The folder of the network's state: removed at the end, unless the network is kept. */
let directory = "";

async function main(): Promise<void> {
  if (keep) {
    directory = join(process.cwd(), NETWORK_DIRECTORY);
    if ((await stateOf(directory)) === "stale") {
      note(
        `The network in ${NETWORK_DIRECTORY} is no longer running, and its chain is lost: replacing its state.`,
      );
    }
    await makeDirectory(directory);
    await record();
  } else {
    directory = await mkdtemp(join(tmpdir(), "anneal-quickstart-"));
    stack.removeAfterDeath(directory);
  }
  await Promise.race([play(), stack.death]);
  if (!keep) await cleanUp();
}

/** Records the kept network, for the next `npm start -- --keep` and for `npm stop`. */
async function record(isDone = false): Promise<void> {
  const builder = isDone ? null : identify(process.pid);
  const network: KeptNetwork = {
    started: startedAt,
    rpcUrl: `http://127.0.0.1:${PORTS.chain}`,
    storageUrl: `http://127.0.0.1:${PORTS.storage}`,
    apiUrl: `http://127.0.0.1:${PORTS.api}`,
    provider: PROVIDER.address,
    processes: [...(builder ? [{ name: BUILDER, ...builder }] : []), ...stack.processes],
  };
  await writeNetwork(directory, network);
}

async function cleanUp(): Promise<void> {
  stopped.abort();
  if (command) await endProcess(command);
  await stack.stop();
  if (directory !== "") await rm(directory, { recursive: true, force: true });
  if (!ownsDeployments) return;
  await rm("deployments/localhost", { recursive: true, force: true });
  await rmdir("deployments").catch(() => undefined); // fails if there are other networks' deployments
}

/** Ends everything, and then the watchdog. */
async function endAll(): Promise<void> {
  await cleanUp();
  stack.release();
}

async function startNetwork(): Promise<{ url: string; api: string }> {
  title("1. The network: chain, contracts, storage, provider");
  const { ports, env } = await choosePlace();
  const rpcUrl = `http://127.0.0.1:${ports.chain}`;
  const bare = { ...process.env, ...env };
  userEnvironment = { ...bare, ZG_PRIVATE_KEY: USER.privateKey };

  await during("Building the contracts", () =>
    execute(HARDHAT, ["build", "--quiet", "--no-tests"]),
  );
  await during("Starting the chain", () =>
    stack.start(
      "chain",
      [HARDHAT, "node", "--hostname", "127.0.0.1", "--port", String(ports.chain)],
      { env: process.env, ready: /Started HTTP/, timeoutSeconds: 60, directory },
    ),
  );
  note(`chain     ${rpcUrl} (chain id 31337)`);
  await during("Deploying the contracts", () =>
    execute(HARDHAT, ["deploy", "--network", "localhost"], { env: bare }),
  );
  const deployments = env.ANNEAL_DEPLOYMENTS ?? "deployments/localhost";
  for (const name of ["Ledger", "FineTuningServing"]) {
    const { address } = JSON.parse(await readFile(join(deployments, `${name}.json`), "utf8"));
    note(`contract  ${name} at ${address}`);
  }
  await during("Making tiny models", makeModels);
  const sandbox = hasSandbox();
  const providerEnvironment = {
    ...bare,
    RPC_ENDPOINT: rpcUrl,
    PROVIDER_PRIVATE_KEY: OPERATOR.privateKey,
    PROVIDER_ADDRESS: PROVIDER.address,
    PROVIDER_DIR: join(directory, "provider"),
    PROVIDER_PORT: String(ports.api),
    STORAGE_PORT: String(ports.storage),
    STORAGE_ENDPOINT: "",
    MODELS_DIR: join(directory, "models"),
    DEPLOYMENT_DIR: deployments,
    PYTHON,
    SANDBOX: sandbox ? "on" : "off",
  };
  await during("Starting the provider", () =>
    stack.start("provider", [NODE, "provider/main.ts"], {
      env: providerEnvironment,
      ready: /"ready"/, // after the first import of torch
      timeoutSeconds: 360,
      directory,
    }),
  );
  note(`storage   http://127.0.0.1:${ports.storage}`);
  note(`provider  http://127.0.0.1:${ports.api}, account ${PROVIDER.address}`);
  if (!sandbox)
    note("sandbox   none: bubblewrap is not installed, so the trainer runs without one");
  return { url: rpcUrl, api: `http://127.0.0.1:${ports.api}` };
}

async function makeModels(): Promise<void> {
  const models = join(directory, "models");
  const env = { ...process.env, PYTHONPATH: "provider/trainer" };
  await execute(PYTHON, ["-m", "anneal_trainer.tiny_models", models], { env });
  for (const [name, manifest] of Object.entries(MODELS))
    await writeFile(join(models, name, "anneal.json"), JSON.stringify(manifest));
}

async function play(): Promise<void> {
  const started = performance.now();
  const network = await startNetwork();
  if (keep) await record();
  const files = {
    train: join(EXAMPLES, "capitals.jsonl"),
    validation: join(EXAMPLES, "capitals-validation.jsonl"),
    config: join(EXAMPLES, "config.json"),
  };
  const output = await makeRunDirectory();

  title("2. The provider offers its GPU");
  await type(
    "register-provider",
    ["--url", network.api, "--price", "0.000001", "--unit", "token", "--amount", "2"],
    { env: { ...userEnvironment, ZG_PRIVATE_KEY: PROVIDER.privateKey } },
  );

  title("3. You open an account and look around");
  await type("add-account", ["--amount", "1"]);
  await type("list-providers", []);
  await type("list-models", []);

  title("4. You upload a dataset and see what it would cost");
  const at = ["--provider", PROVIDER.address];
  await type("upload", ["--data-path", files.train]);
  await type("upload", ["--data-path", files.validation]);
  const counting = [...at, "--model", MODEL, "--dataset-path", files.train];
  await type("calculate-token", counting);
  console.log();
  const [train, validation, count] = await during("Noting the two roots and the size", () =>
    Promise.all([
      ask<{ root: string }>("data-root", ["--data-path", files.train]),
      ask<{ root: string }>("data-root", ["--data-path", files.validation]),
      ask<{ dataSize: string }>("calculate-token", counting),
    ]),
  );

  title("5. You order the training and watch it");
  await type("create-task", [
    ...at,
    "--model",
    MODEL,
    "--dataset",
    train.root,
    "--validation-dataset",
    validation.root,
    "--config-path",
    files.config,
    "--data-size",
    count.dataSize,
    "--yes",
  ]);
  await type("get-task", [...at, "--wait", "Delivered"]);
  await type("get-log", at, { fold: true });

  title(
    "6. You download the encrypted model, acknowledge it, and decrypt it with the key that the provider reveals",
  );
  const encrypted = join(output, "model.encrypted");
  const model = join(output, "model.zip");
  await type("acknowledge-model", [...at, "--data-path", encrypted]);
  await type("get-task", [...at, "--wait", "Finished"]);
  await type("decrypt-model", [...at, "--encrypted-model", encrypted, "--output", model]);

  title("7. You check the remaining balance");
  await type("get-account", []);
  await type("get-sub-account", at);
  await type("retrieve-fund", []);

  await summarize(network.url, model, started);
  if (keep) await leaveRunning();
}

async function summarize(url: string, archive: string, started: number): Promise<void> {
  title("8. You ask the model before and after");
  const base = join(directory, "models", MODEL);
  const target = join(dirname(archive), "model");
  const prompts = ["What is the capital of Japan?", "Canada: name its capital."];
  const sample = await during("Loading both in transformers", async () => {
    const { stdout } = await execute(PYTHON, [
      "scripts/sample.py",
      base,
      archive,
      target,
      ...prompts,
    ]);
    return JSON.parse(stdout) as Sample;
  });
  const { fee, status } = await during("Adding up what it has cost", () =>
    ask<TaskDocument>("get-task", ["--provider", PROVIDER.address]),
  );
  const rpc = new JsonRpcProvider(url, 31337, { staticNetwork: true, batchMaxCount: 1 });
  const gasCost = await gasOf(rpc, USER.address);
  rpc.destroy();
  const seconds = (performance.now() - started) / 1000;

  title("Done: a provider has fine-tuned a model for you");
  console.log(
    renderSummary({ model: MODEL, ...sample, ...status, fee: BigInt(fee), gasCost, seconds }),
  );
  if (!keep) sayHowToKeep();
}

/** The output of `scripts/sample.py`. */
type Sample = Pick<Summary, "folder" | "prompts" | "base" | "tuned">;

/** The part of the output of `get-task --json` that is read here. */
interface TaskDocument {
  readonly fee: string;
  readonly status: Pick<Summary, "lossBefore" | "lossAfter">;
}

async function leaveRunning(): Promise<void> {
  await record(true);
  stack.release();
  title("Next: your own data. The network keeps running");
  sayHowToUse();
}

async function fail(error: unknown): Promise<void> {
  if (interrupted) return;
  const log = await stack.logOf("provider");
  await endAll();
  console.error(`\n${styleText("red", "The quick start failed")} at: ${step}`);
  console.error(error instanceof Error ? error.message : String(error));
  if (log) console.error(`\nThe end of the provider's log:\n${log}`);
  process.exit(1);
}

let interrupted = false;

/** Ctrl-C, a closed terminal and `| head` are not failures: everything is stopped and removed, with a short message. */
async function interrupt(reason: Ending): Promise<void> {
  interrupted = true; // the running command gets the signal, too, and fails
  await endAll();
  if (reason === "EPIPE") process.exit(process.exitCode);
  console.error(`\nInterrupted at: ${step}`);
  process.exit(128 + constants.signals[reason]);
}

onEnding(interrupt);
const found = keep ? await findRunning(join(process.cwd(), NETWORK_DIRECTORY)) : null;
if (found === null) await main().then(() => stack.release(), fail);
else {
  stack.release();
  process.exitCode = found;
}
