#!/usr/bin/env node
import { enableCompileCache } from "node:module";

/** The program `anneal`: the commands without Hardhat, and the daemon. What is not called is not loaded. */

enableCompileCache(); // what is loaded from here on was compiled by the run before

const DAEMON = "provider";
const words = process.argv.slice(2);
if (words[0] === DAEMON) {
  await import("../provider/main.ts");
} else {
  const { main } = await import("../tasks/cli/main.ts");
  await main(words, [DAEMON]);
}
