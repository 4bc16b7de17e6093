/**
 * The checks before every commit: format, lint, spelling, types, unused code, architecture. `--fix` fixes the format
 * instead of reporting it.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

const fix = process.argv.includes("--fix");
const bin = (name: string) => join("node_modules/.bin", name);
const python = ".venv/bin/python";
const trainer = "provider/trainer";
const solidity = ["contracts/**/*.sol", "test/solidity/**/*.sol"];

interface Step {
  readonly name: string;
  readonly command: readonly string[];
  readonly cwd?: string;
}

const format: readonly Step[] = [
  {
    name: "format and lint: TypeScript",
    command: [bin("biome"), "check", "--error-on-warnings", ...(fix ? ["--write"] : [])],
  },
  {
    name: "format: Solidity",
    command: [bin("prettier"), fix ? "--write" : "--check", "--log-level", "warn", ...solidity],
  },
  {
    name: "format: Python",
    command: [python, "-m", "ruff", "format", ...(fix ? [] : ["--check"]), trainer],
  },
];

const verify: readonly Step[] = [
  {
    name: "lint: Solidity",
    command: [bin("solhint"), "--max-warnings", "0", "contracts/**/*.sol"],
  },
  {
    name: "lint: Python",
    command: [python, "-m", "ruff", "check", ...(fix ? ["--fix"] : []), trainer],
  },
  { name: "spelling", command: [bin("cspell"), "--no-progress", "--no-summary"] },
  { name: "build", command: [bin("hardhat"), "build", "--quiet"] },
  { name: "types: TypeScript", command: [bin("tsc"), "--noEmit"] },
  { name: "unused: TypeScript", command: [bin("knip"), "--no-progress"] },
  { name: "types: Python", command: [join("../..", python), "-m", "mypy"], cwd: trainer },
  { name: "architecture", command: [bin("mocha"), "test/node/architecture.test.ts"] },
];

let failed = 0;
for (const { name, command, cwd } of [...format, ...verify]) {
  const started = performance.now();
  const result = spawnSync(command[0]!, command.slice(1), {
    encoding: "utf8",
    cwd,
    env: {
      ...process.env,
      PATH: `${join(process.cwd(), "node_modules/.bin")}${delimiter}${process.env.PATH}`,
    },
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${result.status === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
  if (result.status !== 0) {
    failed++;
    console.log(`${result.stdout ?? ""}${result.stderr ?? ""}`.trimEnd());
  }
}
if (!existsSync(python)) console.log("There is no .venv: run npm run setup.");
process.exitCode = failed === 0 ? 0 : 1;
