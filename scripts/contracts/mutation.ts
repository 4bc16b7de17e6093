/**
 * Mutation testing of the contracts: makes one small mistake at a time in them and runs the Solidity tests. A mutant on
 * which no test fails survives, and shows a line that is not tested well enough.
 *
 *   npm run test:mutation                      every mutant of every contract (takes an hour or more)
 *   npm run test:mutation -- --limit 60        60 of them, evenly spread over the sources
 *   npm run test:mutation -- contracts/Ledger.sol contracts/libraries/ReturnQueue.sol
 *   npm run test:mutation -- --jobs 4          4 at a time (default 2)
 *   npm run test:mutation -- --list            only prints them
 *   npm run test:mutation -- --update          writes score and survivors of a full run to mutation-snapshot.json
 *
 * Verdicts are kept in cache/: an interrupted run continues where it stopped, as long as the contracts do not change.
 * Survivors are tested again, because a new test may kill them. Exits 1 if the score is below 95 % or a survivor is not
 * explained in survivors.ts.
 */
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { applyMutant, createMutants, type Mutant } from "./mutants.ts";
import { createSolidityCopy, type SolidityCopy } from "./solidityCopy.ts";
import { EXPLAINED } from "./survivors.ts";
import { TestBench } from "./testBench.ts";
import { openVerdicts, type Verdict } from "./verdicts.ts";

/** A mutant whose tests take longer has caused an endless loop, and counts as killed. */
const TIMEOUT_MS = 1_800_000;
const MINIMUM_SCORE = 95;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    limit: { type: "string" },
    jobs: { type: "string", default: "2" },
    list: { type: "boolean", default: false },
    update: { type: "boolean", default: false },
  },
});

const files = positionals.length > 0 ? positionals : contractFiles();
const missing = files.find((file) => !existsSync(file));
if (missing) {
  console.error(
    `There is no ${missing}.\nName contracts by their path relative to the repository's root.`,
  );
  process.exit(2);
}
const all = createMutants(files);
const mutants = spread(all, options.limit === undefined ? all.length : Number(options.limit));
console.log(`${mutants.length} of ${all.length} mutants in ${files.length} files.`);
if (options.list) for (const mutant of mutants) console.log(describe(mutant));
else await judgeAll();

async function judgeAll(): Promise<void> {
  const verdicts = openVerdicts(contractFiles());
  const waiting = mutants.filter((mutant) => !verdicts.has(mutant));
  console.log(`${mutants.length - waiting.length} of them were tested in an earlier run.`);
  const worker = async () => {
    const copy = await createSolidityCopy({ optimizer: false });
    const bench = new TestBench();
    try {
      for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
        const verdict = await judge(bench, copy, mutant);
        verdicts.put(mutant, verdict);
        console.log(`${verdict.padEnd(16)} ${describe(mutant)}`);
      }
    } finally {
      bench.close();
      await copy.remove();
    }
  };
  if (waiting.length === 0) return report((mutant) => verdicts.get(mutant)!);
  await requireGreen();
  await Promise.all(Array.from({ length: Number(options.jobs) }, worker));
  report((mutant) => verdicts.get(mutant)!);
}

function report(verdictOf: (mutant: Mutant) => Verdict): void {
  const of = (verdict: Verdict) => mutants.filter((mutant) => verdictOf(mutant) === verdict);
  const [killed, survivors] = [of("killed").length, of("survived")];
  const judged = killed + survivors.length;
  const score = (100 * killed) / judged;
  console.log(`\nScore ${score.toFixed(1)} %: ${killed} of ${judged} mutants were killed.`);
  console.log(`${of("does not compile").length} more did not compile and do not count.`);
  const unexplained = survivors.filter((mutant) => !explain(mutant));
  for (const mutant of survivors)
    console.log(`survived  ${describe(mutant)}\n          ${explain(mutant) ?? "NOT EXPLAINED"}`);
  if (options.update && mutants.length === createMutants(contractFiles()).length)
    writeSnapshot({ score, judged, killed, notCompiled: of("does not compile").length, survivors });
  if (score < MINIMUM_SCORE || unexplained.length > 0) process.exitCode = 1;
}

interface Result {
  readonly score: number;
  readonly judged: number;
  readonly killed: number;
  readonly notCompiled: number;
  readonly survivors: readonly Mutant[];
}

function writeSnapshot({ survivors, ...counts }: Result): void {
  const survived = survivors.map((mutant) => ({
    mutant: describe(mutant),
    because: explain(mutant) ?? null,
  }));
  const json = `${JSON.stringify({ ...counts, survived }, null, 2)}\n`;
  writeFileSync(new URL("../../mutation-snapshot.json", import.meta.url), json);
}

function explain(mutant: Mutant): string | undefined {
  const text = readFileSync(mutant.file, "utf8").split("\n")[mutant.line - 1]!;
  return EXPLAINED.find(
    ({ file, line, replacement }) =>
      mutant.file.endsWith(file) && text.includes(line) && replacement === mutant.replacement,
  )?.because;
}

/** Without a mutant all tests must pass, otherwise the score would be meaningless. */
async function requireGreen(): Promise<void> {
  const copy = await createSolidityCopy({ optimizer: false });
  const bench = new TestBench();
  try {
    const { outcome, output } = await copy.test([], TIMEOUT_MS);
    const near = await bench.run({ tests: nearTests("contracts/Ledger.sol"), overrides: {} });
    const others = await bench.run({ tests: nearTests("contracts/Other.sol"), overrides: {} });
    if (outcome === "passed" && near === "passed" && others === "passed") return;
    throw new Error(
      `The tests fail without mutants: ${outcome}, ${near}, ${others}. Fix them first.\n${output.slice(-2_000)}`,
    );
  } finally {
    bench.close();
    await copy.remove();
  }
}

/** The most relevant tests first, which is fast; all tests only for mutants that survive those. */
async function judge(bench: TestBench, copy: SolidityCopy, mutant: Mutant): Promise<Verdict> {
  const source = readFileSync(mutant.file);
  const mutated = applyMutant(source, mutant);
  const overrides = { [mutant.file]: mutated.toString() };
  for (const tests of [likeliestTests(mutant), nearTests(mutant.file)]) {
    const verdict = await bench.run({ tests, overrides });
    if (verdict === "does not compile") return verdict;
    if (verdict !== "passed") return "killed";
  }
  const path = join(copy.path, mutant.file);
  writeFileSync(path, mutated);
  try {
    const { outcome } = await copy.test([], TIMEOUT_MS);
    return outcome === "passed" ? "survived" : "killed";
  } finally {
    writeFileSync(path, source);
  }
}

/** The test file most relevant to the mutant: by the name of its contract's file, or of its function. */
function likeliestTests({ file, start }: Mutant): string[] {
  const own = globSync(`test/solidity/**/${basename(file, ".sol")}.t.sol`);
  if (own.length > 0) return own;
  const before = readFileSync(file).subarray(0, start).toString();
  const name = [...before.matchAll(/function _?(\w+)\(/g)].at(-1)?.[1] ?? "constructor";
  const mentions = (test: string) => readFileSync(test, "utf8").split(name).length;
  return nearTests(file)
    .sort((a, b) => mentions(b) - mentions(a))
    .slice(0, 1);
}

/** The Ledger's tests for the Ledger; for everything else all tests but those and the long random ones. */
function nearTests(file: string): string[] {
  const ofLedger = /\/(Ledger|ReturnQueue)\.sol$/.test(file);
  return globSync("test/solidity/**/*.t.sol").filter((test) =>
    ofLedger ? /\/ledger\//.test(test) : !/\/(ledger|invariant|properties|devnet)\//.test(test),
  );
}

function contractFiles(): string[] {
  return globSync("contracts/**/*.sol")
    .filter((file) => !/\/(interfaces|types|devnet)\//.test(file))
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
