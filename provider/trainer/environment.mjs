// The trainer's Python environment: created once, and again if its requirements have changed.
// Plain JavaScript without dependencies, because it runs before anything is installed, on the system's Node 20.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "./runProgram.mjs";
import { showStep } from "./showStep.mjs";

const REQUIREMENTS = join(import.meta.dirname, "requirements.txt");
const DEVELOPMENT = join(import.meta.dirname, "requirements-dev.txt");

/**
 * Makes a virtual environment with everything that training needs, if there is none.
 * @param {string} directory of the environment
 * @param {{ development?: boolean }} [options] whether to install the tools for the trainer's tests and checks, too
 * @returns {Promise<string>} path of its Python
 * @throws {Error} if Python is missing or an installation fails
 */
export async function ensureTrainerEnvironment(directory, { development = false } = {}) {
  const lists = development ? [REQUIREMENTS, DEVELOPMENT] : [REQUIREMENTS];
  const python = join(directory, "bin/python");
  // A stamp in the environment has the digest of its lists: after a change or an interruption they are installed again.
  const stamp = join(directory, ".anneal-setup");
  const wanted = digestOf(lists);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return python;
  rmSync(stamp, { force: true });
  await showStep("Creating the trainer's Python environment (1.2 GB, some minutes)", async () => {
    if (!existsSync(python)) await runProgram(findPython(), ["-m", "venv", directory]);
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    const torch = readFileSync(REQUIREMENTS, "utf8").match(/^torch==\S+/m)[0];
    // torch first, on its own: resolved together with the rest, pip may choose a larger build
    await runProgram(python, [...pip, torch]);
    await runProgram(python, [...pip, ...lists.flatMap((file) => ["--requirement", file])]);
  });
  writeFileSync(stamp, wanted);
  return python;
}

function digestOf(files) {
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest("hex");
}

function findPython() {
  for (const command of ["python3.11", "python3.12", "python3"]) {
    const script = "import sys, venv; print(sys.version_info[:2] in ((3, 11), (3, 12)))";
    const probe = spawnSync(command, ["-c", script], { encoding: "utf8" });
    if (probe.status === 0 && probe.stdout.trim() === "True") return command;
  }
  throw new Error(
    "The trainer needs Python 3.11 or 3.12 with venv, but there is none on the PATH.\n" +
      "Install it (Debian: apt-get install python3.11 python3.11-venv) and run this again.",
  );
}
