import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize, relative, resolve, sep } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";

/** Who may know whom: the rules of docs/architecture.md, checked on every import and every telling word. */

const ROOT = resolve(import.meta.dirname, "../..");
const HOUSES = ["sdk", "tasks", "provider", "deploy", "scripts", "test"];

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

describe("architecture", () => {
  it("finds the house it is about to check", () => {
    expect(under("sdk").length).to.be.greaterThan(30);
    expect(under("provider").length).to.be.greaterThan(15);
    expect(under("tasks").length).to.be.greaterThan(15);
  });

  it("SDK: never imports Hardhat, the provider or the tasks", () => {
    expect(
      importers(under("sdk"), /^(hardhat|@nomicfoundation\/|provider\/|tasks\/)/),
    ).to.deep.equal([]);
  });

  it("SDK: never reads the environment, never prints", () => {
    expect(
      users(under("sdk"), /process\.env|process\.argv|console\.|process\.std(out|err)/),
    ).to.deep.equal([]);
  });

  it("tasks: call only the SDK, never a contract, never the provider", () => {
    expect(
      importers(under("tasks"), /^(provider\/|types\/|generated\/|artifacts\/)/),
    ).to.deep.equal([]);
    expect(
      users(under("tasks"), /new (ethers\.)?Contract\(|\.interface\.|encodeFunctionData/),
    ).to.deep.equal([]);
  });

  it("tasks: only environment.ts reads the environment", () => {
    // NO_COLOR is a property of the terminal, and is read where colours are
    const users_ = users(under("tasks"), /process\.env(?!\.NO_COLOR)/, [
      "tasks/hardhat/environment.ts",
    ]);
    expect(users_).to.deep.equal([]);
  });

  it("provider: never imports tasks, Hardhat or test helpers", () => {
    expect(
      importers(under("provider"), /^(tasks\/|test\/|hardhat|@nomicfoundation\/)/),
    ).to.deep.equal([]);
  });

  it("provider: only config.ts reads the environment", () => {
    expect(users(under("provider"), /process\.env/, ["provider/config.ts"])).to.deep.equal([]);
  });

  it("provider: only the submitter sends transactions", () => {
    const allowed = under("provider/chain").map(({ path }) => path);
    const word = /broadcastTransaction|sendTransaction|signTransaction|eth_sendRawTransaction/;
    expect(
      users(
        under("provider"),
        word,
        allowed.filter((path) => /submitter/i.test(path)),
      ),
    ).to.deep.equal([]);
  });

  it("provider: only the watcher listens to events", () => {
    const word = /fetchTaskEvents|getLogs|queryFilter/;
    expect(users(under("provider"), word, ["provider/chain/Watcher.ts"])).to.deep.equal([]);
  });

  it("provider: only the store writes SQL", () => {
    const outside = under("provider").filter(({ path }) => !path.startsWith("provider/store/"));
    expect(importers(outside, /^node:sqlite$/)).to.deep.equal([]);
    expect(
      users(outside, /\b(INSERT INTO|UPDATE \w+ SET|DELETE FROM|CREATE TABLE)\b/),
    ).to.deep.equal([]);
  });

  it("provider: only training/ spawns processes", () => {
    const outside = under("provider").filter(({ path }) => !path.startsWith("provider/training/"));
    expect(importers(outside, /^node:child_process$/)).to.deep.equal([]);
  });

  it("provider: only files/JobOutput.ts opens what a training wrote", () => {
    // The directory itself is named where it is made, shown to the sandbox, and adopted from version 0.1.0.
    const word = /join\((paths\.)?work,|`\$\{(paths\.)?work\}/;
    expect(users(under("provider"), word, ["provider/jobs/adoptJobs.ts"])).to.deep.equal([]);
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
    const files = walk(join(ROOT, "provider/trainer/finetune")).filter((file) =>
      file.endsWith(".py"),
    );
    const word = /^\s*(?:import|from)\s+(socket|http|urllib|requests|httpx|aiohttp|ftplib|web3)\b/m;
    const offenders = files.filter((file) => word.test(readFileSync(file, "utf8")));
    expect(offenders.map((file) => relative(ROOT, file))).to.deep.equal([]);
  });

  it("production code has no drawer for everything", () => {
    const names = under("sdk", "tasks", "provider", "deploy").map(({ path }) => path);
    expect(
      names.filter((path) => /\/(utils?|common|helpers?|managers?|misc)(\.|\/)/i.test(path)),
    ).to.deep.equal([]);
  });
});
