#!/usr/bin/env node
import { existsSync } from "node:fs";
import { enableCompileCache } from "node:module";

/** The program `anneal`: the commands without Hardhat, and the daemon. What is not called is not loaded. */

enableCompileCache(); // what is loaded from here on was compiled by the run before

const DAEMON = "provider";
/** Where the daemon looks for Python if PYTHON does not say. */
const ENVIRONMENT = ".venv";

const words = process.argv.slice(2);
if (words[0] === DAEMON) await startDaemon();
else {
  const { main } = await import("../tasks/cli/main.ts");
  await main(words, [DAEMON]);
}

/** Brings the trainer's environment on first use. */
async function startDaemon(): Promise<void> {
  if (!process.env.PYTHON && !existsSync(`${ENVIRONMENT}/bin/python`)) {
    const { ensureTrainerEnvironment } = await import("../provider/trainer/environment.mjs");
    try {
      ensureTrainerEnvironment(ENVIRONMENT);
    } catch (error) {
      process.stderr.write(`Error: ${(error as Error).message}\n`);
      process.exit(1);
    }
  }
  await import("../provider/main.ts");
}
