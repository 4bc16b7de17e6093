import { spawn } from "node:child_process";
import { cp, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { SolidityTestUserConfig } from "hardhat/types/test";

const ROOT = resolve(import.meta.dirname, "../..");

/** The outcome of a test run. `broken`: no tests ran, usually because the code did not compile. */
export type Outcome = "passed" | "failed" | "broken" | "timed-out";

/** The contracts and their Solidity tests in a temporary folder, where they may be changed and run. */
export interface SolidityCopy {
  readonly path: string;
  /**
   * @param files tests to run, relative to the copy; all if empty
   * @param timeout milliseconds
   */
  test(files: readonly string[], timeout: number): Promise<{ outcome: Outcome; output: string }>;
  remove(): Promise<void>;
}

export interface CopyOptions {
  /** Unoptimized code compiles twice as fast. */
  readonly optimizer: boolean;
  readonly test?: SolidityTestUserConfig;
}

export async function createSolidityCopy({
  optimizer,
  test = {},
}: CopyOptions): Promise<SolidityCopy> {
  const path = await mkdtemp(join(tmpdir(), "anneal-solidity-"));
  await cp(join(ROOT, "contracts"), join(path, "contracts"), { recursive: true });
  await cp(join(ROOT, "test/solidity"), join(path, "test/solidity"), { recursive: true });
  await symlink(join(ROOT, "node_modules"), join(path, "node_modules"));
  await writeFile(join(path, "package.json"), '{ "type": "module" }\n');
  await writeFile(join(path, "hardhat.config.ts"), hardhatConfig(optimizer, test));
  return {
    path,
    test: (files, timeout) => runTests(path, files, timeout),
    remove: () => rm(path, { recursive: true }),
  };
}

/** The project's configuration without its plugins, which would only cost time. */
function hardhatConfig(optimizer: boolean, test: SolidityTestUserConfig): string {
  const settings = { optimizer: { enabled: optimizer, runs: 200 }, evmVersion: "cancun" };
  return `import { createRequire } from "node:module";
import { defineConfig } from "hardhat/config";

export default defineConfig({
  solidity: {
    version: "0.8.37",
    path: createRequire(import.meta.url).resolve("solc/soljson.js"),
    settings: ${JSON.stringify(settings)},
  },
  paths: { tests: { solidity: "test/solidity" } },
  test: { solidity: ${JSON.stringify(test)} },
});
`;
}

async function runTests(cwd: string, files: readonly string[], timeout: number) {
  const hardhat = join(ROOT, "node_modules/hardhat/dist/src/cli.js");
  const child = spawn(process.execPath, [hardhat, "test", "solidity", ...files], {
    cwd,
    env: { ...process.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data: Buffer) => {
      output += data.toString();
    });
  }
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, timeout);
  const code = await new Promise((done) => child.once("close", done));
  clearTimeout(timer);
  return { outcome: judge(code, late, output), output };
}

function judge(code: unknown, late: boolean, output: string): Outcome {
  if (late) return "timed-out";
  if (code === 0) return "passed";
  return /\d+ failing/.test(output) ? "failed" : "broken";
}
