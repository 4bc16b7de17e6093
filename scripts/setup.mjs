// Installs only what is missing: Node packages (under Node 24) and the trainer's Python environment; with --rivals also
// 0G's own clients and other projects' chat templates, which tests and benchmarks compare with ours; with --docs the
// tools that build the documentation.
// Plain JavaScript without dependencies, because it runs before anything is installed, on the system's Node 20.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureTrainerEnvironment } from "../provider/trainer/environment.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const NODE = join(ROOT, "node_modules/.bin/node");
const PYTHON = join(ROOT, ".venv/bin/python");

/** An installation has a stamp with the digest of its lock files: after a change or an interruption it is repeated. */
function upToDate(stamp, sources) {
  return existsSync(stamp) && readFileSync(stamp, "utf8") === digest(sources);
}

function digest(files) {
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest("hex");
}

function run(what, command, args) {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    cwd: ROOT,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (status === 0) return;
  process.stderr.write(`${stdout ?? ""}${stderr ?? ""}`);
  console.error(`Setup failed while ${what}${error ? `: ${error.message}` : "."}`);
  process.exit(1);
}

function installPackages() {
  installLocked(ROOT, "Node packages (about a minute)");
  run("starting Node 24", NODE, ["--version"]);
}

/** Without their install scripts, which need a compiler to build optional accelerators that are not used here. */
function installRivals() {
  installLocked(join(ROOT, "scripts/rivals"), "0G's own clients (200 MB)", ["--ignore-scripts"]);
  fetchWheels();
}

/** Wheels that are read for their chat templates; nothing of them is installed. */
function fetchWheels() {
  const list = join(ROOT, "scripts/rivals/wheels.txt");
  const folder = join(ROOT, "scripts/rivals/wheels");
  const stamp = join(folder, ".anneal-setup");
  if (upToDate(stamp, [list])) return;
  console.error("Fetching chat templates of other projects (60 MB)…");
  rmSync(folder, { recursive: true, force: true });
  const pip = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"];
  run("fetching chat templates", PYTHON, [...pip, "--dest", folder, "--requirement", list]);
  writeFileSync(stamp, digest([list]));
}

/** Without their install scripts, which only check a program that npm has installed already. */
function installDocs() {
  installLocked(join(ROOT, "scripts/docs"), "documentation tools (150 MB)", ["--ignore-scripts"]);
}

function installLocked(directory, what, options = []) {
  const sources = [join(directory, "package-lock.json")];
  const stamp = join(directory, "node_modules/.anneal-setup");
  if (upToDate(stamp, sources)) return;
  console.error(`Installing ${what}…`);
  // npm on Node 20 silently skips Hardhat's native packages, whose engines field requires a newer Node.
  const npm = ["--yes", "--package", "node@24", "npm", "ci", "--loglevel", "error"];
  run(`installing ${what}`, "npx", [...npm, "--prefix", directory, ...options]);
  writeFileSync(stamp, digest(sources));
}

function installTrainer() {
  try {
    ensureTrainerEnvironment(join(ROOT, ".venv"), { development: true });
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}

installPackages();
installTrainer();
if (process.argv.includes("--rivals")) installRivals();
if (process.argv.includes("--docs")) installDocs();
