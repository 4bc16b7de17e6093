#!/usr/bin/env node
import { existsSync } from "node:fs";
import module from "node:module";

/** The program `anneal`: the commands without Hardhat, and the daemon. Only what is called is loaded. */

const OLDEST_NODE = 24;
const DAEMON = "provider";
/** Where the daemon looks for Python if PYTHON is not set. */
const ENVIRONMENT = ".venv";

const major = Number(process.versions.node.split(".")[0]);
if (major < OLDEST_NODE) {
  process.stderr.write(
    `Error: Anneal needs Node ${OLDEST_NODE} or newer; this is Node ${process.versions.node}.\n` +
      `Install it, or run: npx --package node@${OLDEST_NODE} --package anneal -- anneal\n`,
  );
  process.exit(2);
}
module.enableCompileCache(); // modules loaded from here on are cached by earlier runs
const words = process.argv.slice(2);
if (words[0] === DAEMON) await startDaemon();
else {
  const { main } = await import("../tasks/cli/main.ts");
  await main(words, { [DAEMON]: "Start the provider daemon; docs/operating.md has its settings" });
}

/** Starts the daemon, after installing the trainer's environment on first use. */
async function startDaemon(): Promise<void> {
  if (!process.env.PYTHON && !existsSync(`${ENVIRONMENT}/bin/python`)) {
    const { ensureTrainerEnvironment } = await import("../provider/trainer/environment.mjs");
    try {
      await ensureTrainerEnvironment(ENVIRONMENT);
    } catch (error) {
      process.stderr.write(`Error: ${(error as Error).message}\n`);
      process.exit(1);
    }
  }
  await import("../provider/main.ts");
}
