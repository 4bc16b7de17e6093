/**
 * Every test of the project: Solidity, then TypeScript, in parts, and Python in parallel. Ends with the skipped
 * tests and the reasons, and one line `N passed, N failed`; exits 0 only if nothing failed. A suite that aborts, or
 * runs no tests, counts as one failure.
 */
import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import { delimiter, join } from "node:path";

interface Suite {
  readonly name: string;
  readonly command: readonly string[];
  readonly cwd?: string;
  /** Matches the counts in the summary of the suite's runner. */
  readonly summary: Record<keyof Counts, RegExp>;
}

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

interface Outcome extends Counts {
  readonly reasons: readonly string[];
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
/** The reason of a skipped test, as printed by test/helpers/skip.ts and by pytest with -ra. */
const REASON = /\bSKIPPED(?: \[\d+\])?:? (.+)/g;

const SOLIDITY: Suite = {
  name: "Solidity",
  command: ["node_modules/.bin/hardhat", "test", "solidity"],
  summary: HARDHAT,
};
/** Most TypeScript tests wait for processes and chains: parts of them in parallel use all cores. */
const TYPESCRIPT: readonly Suite[] = [
  ["provider, exchange", /^test\/node\/(provider|sdk\/exchange)\//],
  ["deploy, scripts", /^test\/node\/(deploy|scripts)\//],
  ["all else", /./],
].map(([name, pattern], index, parts) => {
  const earlier = parts.slice(0, index).map(([, other]) => other as RegExp);
  const files = globSync("test/node/**/*.test.ts")
    .filter((file) => (pattern as RegExp).test(file))
    .filter((file) => !earlier.some((other) => other.test(file)));
  return {
    name: `TypeScript: ${name}`,
    command: [
      // Built already: concurrent builds would delete each other's files.
      ...["node_modules/.bin/hardhat", "test", "mocha", "--no-compile"],
      ...files.toSorted(),
    ],
    summary: HARDHAT,
  };
});
const PYTHON: Suite = {
  name: "Python",
  command: ["../../.venv/bin/python", "-m", "pytest", "-ra", "-p", "no:cacheprovider"],
  cwd: "provider/trainer",
  summary: PYTEST,
};

const PATH = `${join(process.cwd(), "node_modules/.bin")}${delimiter}${process.env.PATH}`;

/** Runs a suite. Its output is printed live, or as a whole at its end if suites run in parallel. */
async function run(suite: Suite, printing: "live" | "at the end"): Promise<Outcome> {
  const { name, command, cwd } = suite;
  const heading = `\n── ${name} ──\n`;
  const child = spawn(command[0]!, command.slice(1), {
    cwd,
    env: { ...process.env, PATH, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  if (printing === "live") process.stdout.write(heading);
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (printing === "live") process.stdout.write(text);
    });
  }
  const code = await new Promise<number | null>((resolve) => {
    child.once("error", () => resolve(null));
    child.once("close", resolve);
  });
  if (printing === "at the end") process.stdout.write(`${heading}${output}`);
  return judge(suite, code, output);
}

function judge({ name, summary }: Suite, code: number | null, output: string): Outcome {
  const counts = {
    passed: last(output, summary.passed),
    failed: last(output, summary.failed),
    skipped: last(output, summary.skipped),
    reasons: [...output.matchAll(REASON)].map(([, reason]) => reason!.trim()),
  };
  if (code !== 0 && counts.failed === 0) {
    console.log(`The ${name} tests aborted with exit code ${code}.`);
    return { ...counts, failed: 1 };
  }
  if (counts.passed === 0 && counts.failed === 0) {
    console.log(`No ${name} tests ran.`);
    return { ...counts, failed: 1 };
  }
  return counts;
}

/** The summary is the last match, after anything that the tests print. */
function last(output: string, pattern: RegExp): number {
  return Number([...output.matchAll(pattern)].at(-1)?.[1] ?? 0);
}

// Solidity first: it builds what the TypeScript tests deploy.
const outcomes = [
  await run(SOLIDITY, "live"),
  ...(await Promise.all([...TYPESCRIPT, PYTHON].map((suite) => run(suite, "at the end")))),
];
const sum = (key: keyof Counts) => outcomes.reduce((total, outcome) => total + outcome[key], 0);
const reasons = new Set(outcomes.flatMap((outcome) => outcome.reasons));
if (reasons.size > 0) console.log("\nSkipped:");
for (const reason of reasons) console.log(`  ${reason}`);
const [passed, failed, skipped] = [sum("passed"), sum("failed"), sum("skipped")];
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exitCode = failed === 0 ? 0 : 1;
