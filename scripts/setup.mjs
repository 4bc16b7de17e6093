// Installs only what is missing: Node packages (under Node 24) and the trainer's Python environment; with --rivals also
// 0G's own clients and other projects' chat templates, with --trainers an earlier transformers and TRL, which tests and
// benchmarks compare with ours; with --docs the tools that build the documentation.
// Plain JavaScript without dependencies, because it runs before anything is installed, on the system's Node 20.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureTrainerEnvironment } from "../provider/trainer/environment.mjs";
import { runProgram } from "../provider/trainer/runProgram.mjs";
import { showStep } from "../provider/trainer/showStep.mjs";

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

async function installPackages() {
  await installLocked(ROOT, "Node packages (about a minute)");
  await runProgram(NODE, ["--version"]);
}

/** Without their install scripts, which need a compiler to build optional accelerators that are not used here. */
async function installRivals() {
  const folder = join(ROOT, "scripts/rivals");
  await installLocked(folder, "0G's own clients (200 MB)", ["--ignore-scripts"]);
  await runPip("wheels", "chat templates of other projects (60 MB)", ["download", "--dest"]);
}

/** TRL in a folder of its own, which a test puts before the trainer's environment; other wheels for a test to unpack. */
async function installTrainers() {
  await runPip("earlier", "the transformers before ours (17 MB)", ["download", "--dest"]);
  await runPip("trainers", "TRL (100 MB)", ["install", "--target"]);
}

/** Fetches the packages in scripts/rivals/<name>.txt to the folder of that name. */
async function runPip(name, what, [command, place]) {
  const folder = join(ROOT, "scripts/rivals", name);
  const list = `${folder}.txt`;
  const stamp = join(folder, ".anneal-setup");
  if (upToDate(stamp, [list])) return;
  rmSync(folder, { recursive: true, force: true });
  const options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--requirement", list];
  await showStep(`Fetching ${what}`, () =>
    runProgram(PYTHON, ["-m", "pip", command, ...options, place, folder]),
  );
  writeFileSync(stamp, digest([list]));
}

/** Without their install scripts, which only check a program that npm has installed already. */
async function installDocs() {
  const folder = join(ROOT, "scripts/docs");
  await installLocked(folder, "documentation tools (150 MB)", ["--ignore-scripts"]);
}

async function installLocked(directory, what, options = []) {
  const sources = [join(directory, "package-lock.json")];
  const stamp = join(directory, "node_modules/.anneal-setup");
  if (upToDate(stamp, sources)) return;
  // npm on Node 20 silently skips Hardhat's native packages, whose engines field requires a newer Node.
  const npm = ["--yes", "--package", "node@24", "npm", "ci", "--loglevel", "error"];
  await showStep(`Installing ${what}`, () =>
    runProgram("npx", [...npm, "--prefix", directory, ...options], { cwd: ROOT }),
  );
  writeFileSync(stamp, digest(sources));
}

async function setUp() {
  await installPackages();
  await ensureTrainerEnvironment(join(ROOT, ".venv"), { development: true });
  if (process.argv.includes("--rivals")) await installRivals();
  if (process.argv.includes("--trainers")) await installTrainers();
  if (process.argv.includes("--docs")) await installDocs();
}

await setUp().catch((error) => {
  console.error(`Setup failed: ${error.message}`);
  process.exit(1);
});
