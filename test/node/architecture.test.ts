import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize, relative, resolve, sep } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";
import { commands } from "../../tasks/index.ts";

/** The allowed imports of docs/architecture.md, checked on every import and every telltale word. */

const ROOT = resolve(import.meta.dirname, "../..");
const HOUSES = ["bin", "sdk", "tasks", "provider", "deploy", "scripts", "test"];

interface Source {
  readonly path: string;
  readonly text: string;
  /** Imported modules: project paths for relative ones, package names for others. */
  readonly imports: readonly string[];
}

const sources: readonly Source[] = HOUSES.flatMap((house) => walk(join(ROOT, house)))
  .filter((file) => /\.(ts|mjs)$/.test(file) && !file.includes(`${sep}trainer${sep}`))
  .map(readSource);

function walk(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    return statSync(path).isDirectory() ? walk(path) : [path];
  });
}

function readSource(file: string): Source {
  const text = readFileSync(file, "utf8");
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*["']([^"']+)["']/g)].map(
    (m) => m[1]!,
  );
  const imports = specifiers.map((specifier) =>
    specifier.startsWith(".")
      ? relative(ROOT, normalize(join(dirname(file), specifier)))
      : specifier,
  );
  return { path: relative(ROOT, file), text, imports };
}

const under = (...folders: string[]) =>
  sources.filter(({ path }) => folders.some((folder) => path.startsWith(`${folder}/`)));

const importers = (within: readonly Source[], forbidden: RegExp) =>
  within.flatMap(({ path, imports }) =>
    imports.filter((name) => forbidden.test(name)).map((name) => `${path} → ${name}`),
  );

const users = (within: readonly Source[], word: RegExp, allowed: readonly string[] = []) =>
  within
    .filter(({ path, text }) => word.test(withoutComments(text)) && !allowed.includes(path))
    .map(({ path }) => path);

const withoutComments = (text: string) =>
  text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*$/gm, "$1");

/**
 * From top to bottom: an import leads to a lower line or stays within its folder. Folders on one line do not import
 * each other.
 */
const FLOORS: readonly (readonly string[])[] = [
  ["bin", "deploy"],

  ["tasks/cli", "tasks/hardhat"],
  ["tasks/index.ts"],
  ["tasks/fineTuning.ts"],
  [
    "tasks/commands/account",
    "tasks/commands/market",
    "tasks/commands/data",
    "tasks/commands/task",
    "tasks/commands/fine-tuning",
    "tasks/commands/providing",
    "tasks/commands/shell",
    "tasks/runCommand.ts",
    "tasks/openEnvironment.ts",
    "tasks/networks.ts",
  ],
  ["tasks/flows", "tasks/help"],
  ["tasks/flags"],
  ["tasks/definition.ts"],
  ["tasks/terminal"],
  ["tasks/Environment.ts", "tasks/memory.ts"],

  ["provider/main.ts"],
  ["provider/Daemon.ts"],
  ["provider/TaskLoop.ts", "provider/api"],
  ["provider/api"],
  ["provider/jobs"],
  ["provider/steps"],
  ["provider/steps/parts"],
  ["provider/providedTerms.ts"],
  ["provider/chain", "provider/storage", "provider/training"],
  ["provider/models"],
  ["provider/online", "provider/journal"],
  ["provider/files", "provider/http", "provider/processes", "provider/Metrics.ts"],
  ["provider/store"],
  ["provider/machine", "provider/config.ts", "provider/cached.ts", "provider/log.ts"],
  ["provider/keystore.ts", "provider/EncryptionKeys.ts"],
  ["provider/EncryptionKey.ts"],
  ["provider/clock.ts", "provider/errors.ts", "provider/Readiness.ts"],

  ["sdk/index.ts"],
  ["sdk/order", "sdk/deliverable"],
  ["sdk/account"],
  ["sdk/task"],
  ["sdk/service", "sdk/exchange"],
  ["sdk/dataset/index.ts"],
  ["sdk/dataset/counting", "sdk/dataset/conversion", "sdk/dataset/preview"],
  ["sdk/dataset/checking"],
  ["sdk/dataset/foreign"],
  ["sdk/dataset/images", "sdk/dataset/tokens", "sdk/dataset/tokenizer"],
  ["sdk/dataset/template"],
  ["sdk/dataset/formats"],
  ["sdk/dataset/jinja"],
  ["sdk/storage"],
  ["sdk/storage/zerog"],
  ["sdk/storage/transfer"],
  ["sdk/storage/files"],
  ["sdk/storage/tree", "sdk/training"],
  ["sdk/transaction"],
  ["sdk/client.ts"],
  ["sdk/deployments.ts"],
  ["sdk/rpc", "sdk/deployment.ts"],
  ["sdk/platform"],
  ["sdk/taskIdOf.ts"],
  [
    "sdk/taskStates.ts",
    "sdk/ids.ts",
    "sdk/parseAddress.ts",
    "sdk/units.ts",
    "sdk/fileErrors.ts",
    "sdk/didYouMean.ts",
    "sdk/printable.ts",
  ],
  ["sdk/errors.ts"],
  ["sdk/NextAction.ts"],
  ["sdk/ForeignFile.ts"],
];

/** The folder of FLOORS that a file is in, and its floor; the innermost one, if they are nested. */
function placeOf(path: string): { readonly room: string; readonly floor: number } | undefined {
  const rooms = FLOORS.flatMap((line, floor) => line.map((room) => ({ room, floor })));
  return rooms
    .filter(({ room }) => path === room || path.startsWith(`${room}/`))
    .toSorted((a, b) => b.room.length - a.room.length)[0];
}

describe("architecture", () => {
  it("finds the folders that it is about to check", () => {
    expect(under("sdk").length).to.be.greaterThan(30);
    expect(under("provider").length).to.be.greaterThan(15);
    expect(under("tasks").length).to.be.greaterThan(15);
  });

  it("has a floor for every file, and no import goes up or across", () => {
    const houses = under("bin", "tasks", "sdk", "provider", "deploy");
    const known = new Set(sources.map(({ path }) => path));
    const wrong = houses.flatMap(({ path, imports }) => {
      const from = placeOf(path);
      if (!from) return [`${path} has no floor`];
      return imports
        .filter((name) => known.has(name))
        .filter((name) => {
          const to = placeOf(name);
          return to && to.room !== from.room && to.floor <= from.floor;
        })
        .map((name) => `${path} → ${name}`);
    });
    expect(wrong).to.deep.equal([]);
  });

  it("has no empty folder in the list", () => {
    const rooms = FLOORS.flat();
    const used = new Set(sources.map(({ path }) => placeOf(path)?.room));
    expect(rooms.filter((room) => !used.has(room))).to.deep.equal([]);
  });

  it("SDK: never imports Hardhat", () => {
    expect(importers(under("sdk"), /^(hardhat|@nomicfoundation\/)/)).to.deep.equal([]);
  });

  it("SDK: hashes, encrypts and waits through platform/", () => {
    const others = under("sdk").filter(({ path }) => !path.startsWith("sdk/platform/"));
    expect(importers(others, /^node:(crypto|timers)/)).to.deep.equal([]);
  });

  it("SDK: never reads the environment, never prints", () => {
    expect(
      users(under("sdk"), /process\.env|process\.argv|console\.|process\.std(out|err)/),
    ).to.deep.equal([]);
  });

  it("SDK: names no command line and no environment variable", () => {
    const names = commands
      .filter(({ path }) => path.length === 1 && path[0]!.includes("-"))
      .map(({ path }) => path[0]);
    const command = new RegExp(`npx |hardhat|[ "]--[a-z]|\\b(${names.join("|")})\\b`, "i");
    const variable = /\b(ZG_\w+|ANNEAL_\w+|\w+_ENDPOINT|\w+_API_KEY|HF_TOKEN|NODE_EXTRA_\w+)\b/;
    expect(users(under("sdk"), command)).to.deep.equal([]);
    expect(users(under("sdk"), variable)).to.deep.equal([]);
  });

  it("tasks: only hardhat/, cli/ and code about Hardhat's own commands name a program", () => {
    const programs = /^tasks\/(hardhat|cli)\//;
    const others = under("tasks").filter(({ path }) => !programs.test(path));
    const allowed = ["tasks/terminal/hintWithNext.ts", "tasks/commands/shell/completionScripts.ts"];
    expect(users(others, /npx (hardhat|anneal)/, allowed)).to.deep.equal([]);
  });

  it("tasks: never touch a contract, and only hardhat/ knows Hardhat", () => {
    expect(importers(under("tasks"), /^(types\/|generated\/|artifacts\/)/)).to.deep.equal([]);
    expect(
      users(under("tasks"), /new (ethers\.)?Contract\(|\.interface\.|encodeFunctionData/),
    ).to.deep.equal([]);
    const others = under("tasks").filter(({ path }) => !path.startsWith("tasks/hardhat/"));
    expect(importers(others, /^(hardhat|@nomicfoundation\/)/)).to.deep.equal([]);
  });

  it("tasks: only openEnvironment.ts and memory.ts read the environment", () => {
    // NO_COLOR is a property of the terminal, and is read by the code for colours
    const readers = users(under("tasks"), /process\.env(?!\.NO_COLOR)/, [
      "tasks/openEnvironment.ts",
      "tasks/memory.ts",
    ]);
    expect(readers).to.deep.equal([]);
  });

  it("provider: never imports Hardhat", () => {
    expect(importers(under("provider"), /^(hardhat|@nomicfoundation\/)/)).to.deep.equal([]);
  });

  it("provider: only config.ts reads the environment", () => {
    expect(users(under("provider"), /process\.env/, ["provider/config.ts"])).to.deep.equal([]);
  });

  it("provider: only the submitter sends transactions", () => {
    const word = /broadcastTransaction|sendTransaction|signTransaction|eth_sendRawTransaction/;
    const allowed = ["provider/chain/Submitter.ts", "provider/chain/Broadcaster.ts"];
    expect(users(under("provider"), word, allowed)).to.deep.equal([]);
  });

  it("provider: only the watcher listens to events", () => {
    const word = /(fetch|search)TaskEvents|searchLogs|getLogs|queryFilter/;
    expect(users(under("provider"), word, ["provider/chain/Watcher.ts"])).to.deep.equal([]);
  });

  it("provider: only the store writes SQL", () => {
    const outside = under("provider").filter(({ path }) => !path.startsWith("provider/store/"));
    expect(importers(outside, /^node:sqlite$/)).to.deep.equal([]);
    expect(
      users(outside, /\b(INSERT INTO|UPDATE \w+ SET|DELETE FROM|CREATE TABLE)\b/),
    ).to.deep.equal([]);
  });

  it("provider: only code that trains, goes online or removes files starts processes", () => {
    const starters = /^provider\/(training\/|online\/|files\/removeTree)/;
    const outside = under("provider").filter(({ path }) => !starters.test(path));
    expect(importers(outside, /^node:child_process$/)).to.deep.equal([]);
  });

  it("provider: only files/JobOutput.ts opens what a training run wrote", () => {
    // The directory itself is named by the code that creates it, mounts it into the sandbox, and adopts it from version
    // 0.1.0.
    const word = /join\((paths\.)?work,|`\$\{(paths\.)?work\}/;
    expect(users(under("provider"), word, ["provider/jobs/migrateJobs.ts"])).to.deep.equal([]);
  });

  it("contracts: the Ledger knows no tasks, the Serving holds no money", () => {
    const ledger = readFileSync(join(ROOT, "contracts/Ledger.sol"), "utf8");
    expect(ledger).not.to.match(/import .*(Task|Service|Serving)/);
    const serving = withoutComments(
      readFileSync(join(ROOT, "contracts/FineTuningServing.sol"), "utf8"),
    );
    expect(serving).not.to.match(/\bpayable\b|\.call\{value|\.transfer\(/);
  });

  it("trainer: imports nothing that opens a network connection", () => {
    const files = walk(join(ROOT, "provider/trainer/anneal_trainer")).filter((file) =>
      file.endsWith(".py"),
    );
    const word = /^\s*(?:import|from)\s+(socket|http|urllib|requests|httpx|aiohttp|ftplib|web3)\b/m;
    const offenders = files.filter((file) => word.test(readFileSync(file, "utf8")));
    expect(offenders.map((file) => relative(ROOT, file))).to.deep.equal([]);
  });

  it("production code has no catch-all module", () => {
    const names = under("sdk", "tasks", "provider", "deploy").map(({ path }) => path);
    expect(
      names.filter((path) => /\/(utils?|common|helpers?|managers?|misc)(\.|\/)/i.test(path)),
    ).to.deep.equal([]);
  });
});
