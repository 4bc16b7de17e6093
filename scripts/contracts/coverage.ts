/** Line coverage of the contracts by the Solidity tests: npm run test:coverage. Fails below 100 %. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const hardhat = ["node_modules/.bin/hardhat", "--coverage", "test", "solidity"];
const tests = spawnSync(process.execPath, hardhat, { stdio: ["ignore", "inherit", "inherit"] });
if (tests.status !== 0) process.exit(1);

let lines = 0;
const missed: string[] = [];
let file = "";
for (const record of readFileSync("coverage/lcov.info", "utf8").split("\n")) {
  if (record.startsWith("SF:")) file = record.slice(3);
  const [, line, hits] = /^DA:(\d+),(\d+)/.exec(record) ?? [];
  if (!line || !file.startsWith("contracts/")) continue;
  lines++;
  if (hits === "0") missed.push(`${file}:${line}`);
}
if (lines === 0) {
  console.error("The report has no lines of the contracts.\nSee coverage/lcov.info.");
  process.exit(1);
}
for (const place of missed) console.log(`not covered: ${place}`);
const covered = lines - missed.length;
console.log(`${((100 * covered) / lines).toFixed(2)} % of lines: ${covered} of ${lines}.`);
process.exitCode = missed.length === 0 ? 0 : 1;
