/**
 * The property tests with more runs than there is time for before every commit: npm run test:deep.
 * Solidity: 10,000 runs of every fuzz test and 1,200,000 invariant calls, in a copy of the sources.
 * TypeScript: test/deep. After it, the trainer's tests that take longer.
 */
import { spawnSync } from "node:child_process";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createSolidityCopy } from "./solidityCopy.ts";

const FUZZ_RUNS = 10_000;
/** Runs of each invariant; the calls per run are set by the test (`invariant.depth`). */
const INVARIANT_RUNS = 1_000;
/** Histories of a whole market, each hundreds of calls long. */
const COURSES = 200;
/** Milliseconds. */
const TIMEOUT_MS = 4 * 3_600_000;

const copy = await createSolidityCopy({ optimizer: true, test: { fuzz: { runs: FUZZ_RUNS } } });
try {
  for (const test of globSync("test/solidity/**/*.t.sol", { cwd: copy.path })) {
    raiseVolume(join(copy.path, test));
  }
  const { outcome, output } = await copy.test([], TIMEOUT_MS);
  console.log(output);
  if (outcome !== "passed") process.exitCode = 1;
} finally {
  await copy.remove();
}

const mocha = ["node_modules/.bin/hardhat", "test", "mocha", ...globSync("test/deep/*.test.ts")];
const { status } = spawnSync(process.execPath, mocha, { stdio: ["ignore", "inherit", "inherit"] });
if (status !== 0) process.exitCode = 1;

/** A comment in the test takes precedence over the configuration, so the number has to be changed there. */
function raiseVolume(path: string): void {
  const text = readFileSync(path, "utf8")
    .replaceAll(/(forge-config: default\.invariant\.runs = )\d+/g, `$1${INVARIANT_RUNS}`)
    .replaceAll(/(forge-config: default\.fuzz\.runs = )\d+/g, `$1${COURSES}`);
  writeFileSync(path, text);
}
