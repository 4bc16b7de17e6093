/**
 * Fault injection: `npm run test:faults -- [--short] [--json] [--seed N] [--only PROGRAMME] [--run NAME]`. Exits with
 * code 0 only if nothing was lost, doubled or leaked. A run is repeated with its seed and name, which are printed with
 * every failure.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { id as hashText } from "ethers";
import { Anvil } from "../test/faults/Anvil.ts";
import { FaultFixture } from "../test/faults/FaultFixture.ts";
import type { RunResult } from "../test/faults/Programme.ts";
import { PROGRAMMES } from "../test/faults/programmes.ts";

const { values } = parseArgs({
  options: {
    short: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    seed: { type: "string" },
    only: { type: "string" },
    run: { type: "string" },
    /** Internal: i/n, the share of the runs that this process takes. */
    part: { type: "string" },
  },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const names = values.only ? [values.only] : Object.keys(PROGRAMMES);

/** Runs between two progress lines. */
const NOTED_RUNS = 100;

interface Tally {
  runs: number;
  strikes: number;
  lost: number;
  doubled: number;
  leaked: number;
  /** Peak memory of a daemon over all runs. */
  peakMiB?: number;
}

if (!Number.isSafeInteger(seed) || names.some((name) => !(name in PROGRAMMES))) {
  console.error(
    `--seed takes a whole number, --only one of: ${Object.keys(PROGRAMMES).join(", ")}.`,
  );
  process.exitCode = 2;
} else if (!Anvil.isAvailable()) {
  console.error(
    "SKIPPED: the fault programme needs anvil, which is published for Linux on x64 only.",
  );
} else if (values.part) {
  await work(values.part);
} else {
  await lead();
}

/** Runs this process's share of each programme, and writes each result as a line of JSON. */
async function work(part: string): Promise<void> {
  const [index, parts] = part.split("/").map(Number);
  const takes = (name: string) =>
    values.run ? name === values.run : Number(BigInt(hashText(name)) % BigInt(parts!)) === index;
  for (const name of names) {
    const market = await FaultFixture.open(); // a new one per programme: faults must not affect the next programme
    try {
      for await (const result of PROGRAMMES[name]!(market, { seed, short: values.short, takes }))
        process.stdout.write(`${JSON.stringify({ programme: name, ...result })}\n`);
    } finally {
      await market.close();
    }
  }
}

/** Shares the runs among as many processes as there are cores, and adds up. */
async function lead(): Promise<void> {
  const started = performance.now();
  if (!values.json) console.log(`seed ${seed}`);
  const tallies = new Map<string, Tally>(names.map((name) => [name, emptyTally()]));
  const failures: RunResult[] = [];
  const parts = values.run ? 1 : Math.min(availableParallelism(), 4);
  const codes = await Promise.all(
    Array.from({ length: parts }, (_, index) =>
      follow(index, parts, (programme, result) => {
        add(tallies.get(programme)!, result);
        noteProgress(tallies);
        if (isClean(result)) return;
        failures.push(result);
        if (!values.json) report(result);
      }),
    ),
  );
  const brokenOff = codes.filter((code) => code !== 0).length;
  const total = sum([...tallies.values()]);
  const seconds = Math.round((performance.now() - started) / 1000);
  const programmes = Object.fromEntries(tallies);
  if (values.json)
    console.log(JSON.stringify({ seed, ...total, brokenOff, seconds, programmes, failures }));
  else print(tallies, total, seconds, brokenOff);
  const failed = total.lost + total.doubled + total.leaked + brokenOff;
  process.exitCode = failed === 0 && total.runs > 0 ? 0 : 1;
}

function follow(
  index: number,
  parts: number,
  onResult: (programme: string, result: RunResult) => void,
): Promise<number | null> {
  const args = [import.meta.filename, "--part", `${index}/${parts}`, "--seed", `${seed}`];
  if (values.short) args.push("--short");
  if (values.only) args.push("--only", values.only);
  if (values.run) args.push("--run", values.run);
  const child: ChildProcess = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => child.kill(name));
  createInterface({ input: child.stdout! }).on("line", (line) => {
    const { programme, ...result } = JSON.parse(line);
    onResult(programme, result);
  });
  return new Promise((resolve) => child.once("close", resolve));
}

/** Prints the progress to standard error, because the whole programme takes most of an hour. */
function noteProgress(tallies: ReadonlyMap<string, Tally>): void {
  const { runs, strikes, lost, doubled, leaked } = sum([...tallies.values()]);
  if (runs % NOTED_RUNS === 0)
    console.error(
      `${runs} runs, ${strikes} faults, ${lost} lost, ${doubled} doubled, ${leaked} leaked so far`,
    );
}

function emptyTally(): Tally {
  return { runs: 0, strikes: 0, lost: 0, doubled: 0, leaked: 0 };
}

function isClean({ lost, doubled, leaked }: RunResult): boolean {
  return lost.length + doubled.length + leaked.length === 0;
}

function add(tally: Tally, { strikes, lost, doubled, leaked, peakMiB }: RunResult): void {
  tally.runs++;
  tally.strikes += strikes;
  tally.lost += lost.length > 0 ? 1 : 0;
  tally.doubled += doubled.length > 0 ? 1 : 0;
  tally.leaked += leaked.length > 0 ? 1 : 0;
  if (peakMiB !== undefined) tally.peakMiB = Math.max(tally.peakMiB ?? 0, peakMiB);
}

function sum(tallies: readonly Tally[]): Tally {
  const total = emptyTally();
  for (const tally of tallies)
    for (const key of ["runs", "strikes", "lost", "doubled", "leaked"] as const)
      total[key] += tally[key];
  return total;
}

function report({ name, lost, doubled, leaked }: RunResult): void {
  console.log(`\n${name}`);
  for (const [kind, lines] of Object.entries({ lost, doubled, leaked }))
    for (const line of lines) console.log(`  ${kind}: ${line}`);
  console.log(
    `  again: npm run test:faults -- --seed ${seed} --only ${name.split("/")[0]} --run "${name}"`,
  );
}

function print(
  tallies: ReadonlyMap<string, Tally>,
  total: Tally,
  seconds: number,
  brokenOff: number,
): void {
  const row = (name: string, t: Tally) =>
    console.log(
      `${name.padEnd(16)}${String(t.runs).padStart(6)} runs${String(t.strikes).padStart(7)} faults` +
        `${String(t.lost).padStart(5)} lost${String(t.doubled).padStart(5)} doubled` +
        `${String(t.leaked).padStart(5)} leaked` +
        (t.peakMiB === undefined ? "" : `, daemon at most ${t.peakMiB} MiB`),
    );
  for (const [name, tally] of tallies) row(name, tally);
  row("all", total);
  if (brokenOff > 0) console.log(`${brokenOff} processes aborted`);
  console.log(`${seconds} s, seed ${seed}`);
}
