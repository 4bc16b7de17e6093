/**
 * Every test of the project: Solidity, TypeScript, Python. Ends with one line `N passed, N failed`, and exits 0 only
 * when nothing failed. A suite that breaks off, or runs nothing, counts as one failure.
 */
import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";

interface Suite {
  readonly name: string;
  readonly command: readonly string[];
  readonly cwd?: string;
  /** How the suite's runner words its summary. */
  readonly summary: Record<keyof Counts, RegExp>;
}

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const HARDHAT = {
  passed: /(\d+) passing/g,
  failed: /(\d+) failing/g,
  skipped: /(\d+) (?:pending|skipped)/g,
};
const PYTEST = {
  passed: /(\d+) passed/g,
  failed: /(\d+) (?:failed|errors?)/g,
  skipped: /(\d+) skipped/g,
};

const SUITES: readonly Suite[] = [
  {
    name: "Solidity",
    command: ["node_modules/.bin/hardhat", "test", "solidity"],
    summary: HARDHAT,
  },
  { name: "TypeScript", command: ["node_modules/.bin/hardhat", "test", "mocha"], summary: HARDHAT },
  {
    name: "Python",
    command: ["../../.venv/bin/python", "-m", "pytest", "-ra", "-p", "no:cacheprovider"],
    cwd: "provider/trainer",
    summary: PYTEST,
  },
];

const PATH = `${join(process.cwd(), "node_modules/.bin")}${delimiter}${process.env.PATH}`;

async function run({ name, command, cwd, summary }: Suite): Promise<Counts> {
  console.log(`\n── ${name} ──`);
  const child = spawn(command[0]!, command.slice(1), {
    cwd,
    env: { ...process.env, PATH, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (data: Buffer) => {
    output += data.toString();
    process.stdout.write(data);
  });
  const code = await new Promise<number | null>((resolve) => {
    child.once("error", () => resolve(null));
    child.once("close", resolve);
  });
  const counts = {
    passed: last(output, summary.passed),
    failed: last(output, summary.failed),
    skipped: last(output, summary.skipped),
  };
  if (code !== 0 && counts.failed === 0) {
    console.log(`The ${name} tests broke off with exit code ${code}.`);
    return { ...counts, failed: 1 };
  }
  if (counts.passed === 0 && counts.failed === 0) {
    console.log(`The ${name} tests ran nothing.`);
    return { ...counts, failed: 1 };
  }
  return counts;
}

/** The summary comes last, after whatever the tests printed. */
function last(output: string, pattern: RegExp): number {
  return Number([...output.matchAll(pattern)].at(-1)?.[1] ?? 0);
}

const total: Counts = { passed: 0, failed: 0, skipped: 0 };
for (const suite of SUITES) {
  const counts = await run(suite);
  for (const key of ["passed", "failed", "skipped"] as const) total[key] += counts[key];
}
console.log(
  `\n${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}`,
);
process.exitCode = total.failed === 0 ? 0 : 1;
