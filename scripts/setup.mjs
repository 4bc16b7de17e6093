// Installs what is missing, and nothing else: Node packages (under Node 24) and the trainer's Python environment; with
// --rivals also 0G's own clients, which tests and benchmarks put beside ours; with --docs what builds the documentation.
// Plain JavaScript without dependencies, because it runs before anything is installed, on the system's Node 20.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureTrainerEnvironment } from "../provider/trainer/environment.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const NODE = join(ROOT, "node_modules/.bin/node");

/** A stamp inside what was installed says which lock files it came from: changed files or a half-done installation install again. */
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

/** Their install scripts build optional accelerators that nothing here calls, and would need a compiler. */
function installRivals() {
  installLocked(join(ROOT, "scripts/rivals"), "0G's own clients (200 MB)", ["--ignore-scripts"]);
}

/** Their install scripts check a program that npm has installed already. */
function installDocs() {
  installLocked(join(ROOT, "scripts/docs"), "what builds the documentation (150 MB)", [
    "--ignore-scripts",
  ]);
}

function installLocked(directory, what, options = []) {
  const sources = [join(directory, "package-lock.json")];
  const stamp = join(directory, "node_modules/.anneal-setup");
  if (upToDate(stamp, sources)) return;
  console.error(`Installing ${what}…`);
  // npm on Node 20 silently leaves out Hardhat's native parts, whose engines field asks for more: hence npm on Node 24.
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
