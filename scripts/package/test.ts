/**
 * Installs and uses the package like a user: `npm run test:package -- [--json]`. In an empty folder every command
 * answers
 * --help, and a whole task runs through `npx anneal`; in a new Hardhat project another task runs through the plugin, a
 * contract imports an interface, and a typed program places an order. Exits 0 only if all of it works.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { commands } from "../../tasks/index.ts";
import { startLocalChain } from "../../test/helpers/localChain.ts";
import type { TestChain } from "../../test/helpers/TestChain.ts";
import { writeDeployment } from "../../test/helpers/writeDeployment.ts";
import { build } from "./build.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const BIN = join(ROOT, "node_modules/.bin");
const PYTHON = join(ROOT, ".venv/bin/python");
const PROJECT = join(import.meta.dirname, "project");
const DEPLOYMENT = "deployments/localhost";
const MODEL = "tiny-qwen2";
const ROWS = 24;

const { values: options } = parseArgs({ options: { json: { type: "boolean", default: false } } });

interface PackageReport {
  /** Size of the tarball. */
  packedKiB: number;
  /** Problems found by publint and are-the-types-wrong. */
  problems: string[];
  /** Commands that answered --help. */
  commands: number;
  /** Whether a whole task ran through `npx anneal`, and another through the plugin. */
  task: boolean;
  /** Whether a contract that imports an interface, and a typed program, compiled and ran. */
  imports: boolean;
}

const folder = mkdtempSync(join(tmpdir(), "anneal-package-"));
const report: PackageReport = {
  ...{ packedKiB: 0, problems: [], commands: 0, task: false, imports: false },
};
let chain: TestChain | undefined;
let daemon: ChildProcess | undefined;
try {
  await main();
} finally {
  if (daemon?.exitCode === null) {
    const ended = once(daemon, "exit");
    daemon.kill("SIGTERM");
    await ended;
  }
  await chain?.close();
  rmSync(folder, { recursive: true, force: true });
}
console.log(options.json ? JSON.stringify(report, null, 2) : describe(report));
const isWhole = report.commands === commands.length && report.task && report.imports;
process.exitCode = isWhole && report.problems.length === 0 ? 0 : 1;

async function main(): Promise<void> {
  const tarball = await pack();
  report.problems = [...(await lint(tarball)), ...(await checkTypes(tarball))];
  const empty = await install("empty", [tarball]);
  for (const { path } of commands) if (await answersHelp(empty, path)) report.commands++;
  chain = await startLocalChain();
  writeDeployment(join(empty, DEPLOYMENT), chain.deployment);
  const { api, storage } = await startDaemon(empty, chain);
  const env = { RPC_ENDPOINT: chain.rpcUrl, STORAGE_ENDPOINT: storage };
  const anneal = (...words: string[]) => must(empty, ["npx", "anneal", ...words], env);
  await registerProvider(anneal, api);
  await anneal("add-account", "--amount", "1");
  const dataset = writeDataset(empty);
  await anneal(...orderOf(dataset, "model.tar.zst"));
  const project = await makeProject(tarball, chain);
  const hardhat = (...words: string[]) => must(project, ["npx", "hardhat", ...words], env);
  await hardhat("build");
  await hardhat(...orderOf(dataset, "model.tar.zst"), "--n-epochs", "2");
  report.task = [empty, project].every((place) => statSync(join(place, "model.tar.zst")).size > 0);
  await must(project, [join(BIN, "tsc"), "-p", "."]);
  const composed = await must(project, ["npx", "hardhat", "run", "compose.ts"], env);
  const { privateKey } = chain.accounts[2]!;
  const typed = await must(project, [
    ...[process.execPath, "order.ts", chain.rpcUrl, storage, privateKey, dataset],
  ]);
  report.imports = composed.includes('"total"') && typed.includes("Delivered.");
}

/** @returns the tarball that `npm publish` would upload. */
async function pack(): Promise<string> {
  build();
  await must(ROOT, ["npm", "pack", "--silent", "--pack-destination", folder]);
  const tarball = join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz"))!);
  report.packedKiB = Math.ceil(statSync(tarball).size / 1024);
  return tarball;
}

async function lint(tarball: string): Promise<string[]> {
  const { status, stdout } = await run(ROOT, [join(BIN, "publint"), tarball, "--strict"]);
  return status === 0 ? [] : [stdout.trim()];
}

/** Only for ES modules: the package has no others. */
async function checkTypes(tarball: string): Promise<string[]> {
  const command = [join(BIN, "attw"), tarball, "--profile", "esm-only", "--format", "json"];
  const excluded = ["--exclude-entrypoints", "package.json"];
  const { stdout } = await run(ROOT, [...command, ...excluded]);
  const { analysis } = JSON.parse(stdout);
  return analysis.problems
    .filter(({ resolutionKind }: { resolutionKind?: string }) =>
      ["node16-esm", "bundler"].includes(resolutionKind ?? ""),
    )
    .map((problem: object) => JSON.stringify(problem));
}

/** Installs the package in an empty folder, without development dependencies. */
async function install(name: string, packages: readonly string[]): Promise<string> {
  const directory = join(folder, name);
  mkdirSync(directory);
  writeFileSync(join(directory, "package.json"), JSON.stringify({ name, type: "module" }));
  const npm = ["npm", "install", "--omit=dev", "--no-audit", "--no-fund", "--loglevel", "error"];
  await must(directory, [...npm, ...packages]);
  return directory;
}

async function answersHelp(directory: string, path: readonly string[]): Promise<boolean> {
  const program = join(directory, "node_modules/.bin/anneal");
  const { status, stdout } = await run(directory, [program, ...path, "--help"]);
  return status === 0 && stdout.includes(`Usage: npx anneal ${path.join(" ")}`);
}

/** Starts `anneal provider` with tiny models. @returns its URLs when it is ready. */
async function startDaemon(
  directory: string,
  { rpcUrl, accounts }: TestChain,
): Promise<{ api: string; storage: string }> {
  const trainer = join(directory, "node_modules/anneal/dist/provider/trainer");
  const models = join(directory, "models");
  await must(directory, [PYTHON, "-m", "anneal_trainer.tiny_models", models], {
    PYTHONPATH: trainer,
  });
  // What npx would run, but without npx in between: the signal that ends it has to reach it.
  daemon = spawn(join(directory, "node_modules/.bin/anneal"), ["provider"], {
    cwd: directory,
    env: environment({
      PROVIDER_PRIVATE_KEY: accounts[1]!.privateKey,
      RPC_ENDPOINT: rpcUrl,
      MODELS_DIR: models,
      PYTHON,
      PROVIDER_PORT: "0",
      STORAGE_PORT: "0",
      POLL_INTERVAL_MS: "100",
      SANDBOX: "off",
    }),
    stdio: ["ignore", "ignore", "pipe"],
  });
  for await (const line of createInterface({ input: daemon.stderr! })) {
    const { msg, api, storage } = parse(line);
    if (msg === "ready") return { api, storage };
    if (!options.json) console.error(line);
  }
  throw new Error("The daemon ended before it was ready.");
}

async function registerProvider(
  anneal: (...words: string[]) => Promise<string>,
  api: string,
): Promise<void> {
  const terms = {
    ...{ url: api, price: "0.000000001", unit: "byte", "max-training-time": "3600" },
    ...{ "bond-bps": "10000", "unacknowledged-bps": "1000", "open-tasks": "5", amount: "10" },
  };
  const flags = Object.entries(terms).flatMap(([name, value]) => [`--${name}`, value]);
  await anneal("register-provider", ...flags);
}

function writeDataset(directory: string): string {
  const path = join(directory, "data.jsonl");
  const rows = Array.from({ length: ROWS }, (_, row) => ({
    prompt: `How much is ${row} and one? `,
    completion: `It is ${row + 1}.`,
  }));
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
}

function orderOf(dataset: string, output: string): string[] {
  return [
    ...["fine-tuning", "create", "--model", MODEL, "--training-file", dataset],
    ...["--batch-size", "8", "--wait", "--output", output, "--yes"],
  ];
}

async function makeProject(tarball: string, chain: TestChain): Promise<string> {
  const { version } = createRequire(import.meta.url)("hardhat/package.json");
  const project = await install("project", [tarball, `hardhat@${version}`, "@types/node@24"]);
  cpSync(PROJECT, project, { recursive: true });
  writeDeployment(join(project, DEPLOYMENT), chain.deployment);
  return project;
}

/** Node 24 first, as the package requires. */
function environment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const SOLJSON = createRequire(import.meta.url).resolve("solc/soljson.js");
  const PATH = `${dirname(process.execPath)}:${process.env.PATH}`;
  return { ...process.env, PATH, SOLJSON, NO_COLOR: "1", CI: "1", ...more };
}

/** Not blocking: the chain answers in this process. */
async function run(cwd: string, [command, ...args]: readonly string[], more = {}) {
  const child = spawn(command!, args, {
    cwd,
    env: environment(more),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = once(child, "close");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [status] = await closed;
  return { status: status as number | null, stdout, stderr };
}

/** @returns the output. @throws Error with the output if it fails. */
async function must(cwd: string, command: readonly string[], more = {}): Promise<string> {
  if (!options.json) console.error(`$ ${command.join(" ")}`);
  const { status, stdout, stderr } = await run(cwd, command, more);
  if (status === 0) return stdout;
  throw new Error(`${command.join(" ")} ended with ${status}:\n${stdout}${stderr}`);
}

function parse(line: string) {
  try {
    return JSON.parse(line);
  } catch {
    return { msg: line };
  }
}

function describe({ packedKiB, problems, commands: answered, task, imports }: PackageReport) {
  return [
    `package           ${packedKiB} KiB packed`,
    `problems          ${problems.length === 0 ? "none" : problems.join("\n")}`,
    `commands          ${answered} of ${commands.length} answer --help`,
    `whole tasks       ${task ? "ran" : "failed"}`,
    `imports           ${imports ? "work" : "failed"}`,
  ].join("\n");
}
