/**
 * How much of a mistake the Solidity tests would notice: puts one small mistake after the other into the contracts
 * and runs the tests. A mutant that no test fails on survives, and names a line that nothing watches closely.
 *
 *   npm run test:mutation                      every mutant of every contract (takes an hour or more)
 *   npm run test:mutation -- --limit 60        60 of them, evenly spread over the text
 *   npm run test:mutation -- contracts/Ledger.sol contracts/libraries/ReturnQueue.sol
 *   npm run test:mutation -- --jobs 4          so many at once (2)
 *   npm run test:mutation -- --list            only prints them
 */
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { applyMutant, createMutants, type Mutant } from "./mutants.ts";
import { createSolidityCopy, type SolidityCopy } from "./solidityCopy.ts";

/** Milliseconds for one run; a mutant that takes longer has made something endless, which a test has then noticed. */
const TIMEOUT = 240_000;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    limit: { type: "string" },
    jobs: { type: "string", default: "2" },
    list: { type: "boolean", default: false },
  },
});

const files = positionals.length > 0 ? positionals : contractFiles();
const missing = files.find((file) => !existsSync(file));
if (missing) {
  console.error(
    `There is no ${missing}.\nName contracts by their path from the repository's root.`,
  );
  process.exit(2);
}
const all = createMutants(files);
const mutants = spread(all, options.limit === undefined ? all.length : Number(options.limit));
console.log(`${mutants.length} of ${all.length} mutants in ${files.length} files.`);
if (options.list) for (const mutant of mutants) console.log(describe(mutant));
else await judgeAll();

async function judgeAll(): Promise<void> {
  const waiting = [...mutants];
  const survivors: Mutant[] = [];
  const counts = { killed: 0, survived: 0, "does not compile": 0 };
  const worker = async () => {
    const copy = await createSolidityCopy({ optimizer: false });
    try {
      await demandGreen(copy);
      for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
        const verdict = await judge(copy, mutant);
        counts[verdict]++;
        if (verdict === "survived") survivors.push(mutant);
        console.log(`${verdict.padEnd(16)} ${describe(mutant)}`);
      }
    } finally {
      await copy.remove();
    }
  };
  await Promise.all(Array.from({ length: Number(options.jobs) }, worker));

  const judged = counts.killed + counts.survived;
  const score = ((100 * counts.killed) / judged).toFixed(1);
  console.log(`\nScore ${score} %: ${counts.killed} of ${judged} mutants were noticed.`);
  console.log(`${counts["does not compile"]} more did not compile and do not count.`);
  for (const mutant of survivors) console.log(`survived  ${describe(mutant)}`);
}

/** Without a mutant everything must pass, or the score would mean nothing. */
async function demandGreen(copy: SolidityCopy): Promise<void> {
  const { outcome, output } = await copy.test([], TIMEOUT);
  if (outcome === "passed") return;
  throw new Error(`The tests do not pass as they are: mend them first.\n${output.slice(-2_000)}`);
}

/** The tests nearest to the file first: most mutants need no more than those. */
async function judge(
  copy: SolidityCopy,
  mutant: Mutant,
): Promise<"killed" | "survived" | "does not compile"> {
  const path = join(copy.path, mutant.file);
  const source = readFileSync(path);
  writeFileSync(path, applyMutant(source, mutant));
  try {
    for (const tests of [nearestTests(copy, mutant.file), []]) {
      const { outcome } = await copy.test(tests, TIMEOUT);
      if (outcome === "broken") return "does not compile";
      if (outcome !== "passed") return "killed";
    }
    return "survived";
  } finally {
    writeFileSync(path, source);
  }
}

/** The Ledger's own tests for the Ledger; for everything else all but those and the long random courses. */
function nearestTests(copy: SolidityCopy, file: string): string[] {
  const ofLedger = /\/(Ledger|ReturnQueue)\.sol$/.test(file);
  const tests = globSync("test/solidity/**/*.t.sol", { cwd: copy.path });
  return tests.filter((test) =>
    ofLedger ? /\/ledger\//.test(test) : !/\/(ledger|invariant|properties)\//.test(test),
  );
}

function contractFiles(): string[] {
  return globSync("contracts/**/*.sol")
    .filter((file) => !/\/(interfaces|types)\//.test(file))
    .sort();
}

/** `count` of the mutants, evenly spread. */
function spread(mutants: readonly Mutant[], count: number): Mutant[] {
  const step = Math.max(1, mutants.length / count);
  return Array.from(
    { length: Math.min(count, mutants.length) },
    (_, i) => mutants[Math.floor(i * step)]!,
  );
}

function describe({ file, line, kind, original, replacement }: Mutant): string {
  const short = (text: string) => text.replaceAll(/\s+/g, " ").slice(0, 70);
  return `${file}:${line} ${kind}: ${short(original)} → ${short(replacement)}`;
}
