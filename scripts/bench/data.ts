/**
 * Checking and counting a large dataset as commands do, which remember what they found, compared with the way of
 * version 0.1.0, which reads everything again:
 *
 *   npm run bench:data                       prints the table
 *   npm run bench:data -- --json             prints one JSON document
 *   npm run bench:data -- --rows 100000      with fewer rows (the default is a million)
 *
 * Every measurement is a separate process. The rows are conversations of two messages with 30 words on average.
 */
import { execFile } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseArgs, promisify } from "node:util";
import type { Measured } from "./measured.ts";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "../..");

interface Arm {
  readonly checkSeconds: number;
  readonly countSeconds: number;
  readonly peakMiB: number;
}

interface DataReport extends Arm {
  readonly rows: number;
  readonly cores: number;
  /** Nothing is remembered between check and count. */
  readonly before: Arm;
}

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    rows: { type: "string", default: "1000000" },
  },
});
const rows = Number(values.rows);
const folder = await mkdtemp(join(tmpdir(), "anneal-bench-data-"));
try {
  const report = await measure();
  if (values.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  else print(report);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measure(): Promise<DataReport> {
  const path = join(folder, "rows.jsonl");
  await pipeline(Readable.from(writeRows(rows)), createWriteStream(path));
  const trainer = { cwd: join(ROOT, "provider/trainer") };
  await run(join(ROOT, ".venv/bin/python"), ["-m", "anneal_trainer.tiny_models", folder], trainer);
  const before = await measureArm(path);
  const now = await measureArm(path, join(folder, "memory"));
  return { rows, cores: availableParallelism(), ...now, before };
}

async function measureArm(path: string, memory?: string): Promise<Arm> {
  const once = async (what: string): Promise<Measured> => {
    const script = join(ROOT, "scripts/bench/dataOnce.ts");
    const args = [script, what, path, join(folder, "tiny-qwen2"), ...(memory ? [memory] : [])];
    const { stdout } = await run(process.execPath, args);
    return JSON.parse(stdout);
  };
  const check = await once("check");
  const count = await once("count");
  if (check.root !== count.root) throw new Error(`${check.root} checked, ${count.root} counted.`);
  return {
    checkSeconds: check.seconds,
    countSeconds: count.seconds,
    peakMiB: Math.max(check.peakMemoryMiB, count.peakMemoryMiB),
  };
}

/** The same rows in every run: words of a language with as many different ones as a small corpus. */
function* writeRows(count: number): Generator<string> {
  const random = createRandom(20240229);
  const words = Array.from({ length: 20_000 }, () => inventWord(random));
  const say = (least: number, most: number) =>
    Array.from(
      { length: least + Math.floor(random() * (most - least)) },
      () => words[Math.floor(random() ** 2 * words.length)],
    ).join(" ");
  for (let row = 0; row < count; row++) {
    const messages = [
      { role: "user", content: `${say(6, 24)}?` },
      { role: "assistant", content: `${say(3, 30)}.` },
    ];
    yield `${JSON.stringify({ messages })}\n`;
  }
}

function inventWord(random: () => number): string {
  const syllables = ["an", "be", "ca", "do", "er", "fi", "go", "in", "la", "mo", "ne", "ru", "ti"];
  const length = 1 + Math.floor(random() * 4);
  return Array.from({ length }, () => syllables[Math.floor(random() * syllables.length)]).join("");
}

/** Mulberry32: numbers from 0 to 1. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function print({ rows, cores, before, ...now }: DataReport): void {
  const seconds = (value: number) => `${value.toFixed(1)} s`.padStart(10);
  console.log(`${rows} rows on ${cores} cores${" ".repeat(8)}check     count       peak`);
  for (const [name, arm] of [
    ["as commands do", now],
    ["nothing remembered", before],
  ] as const) {
    const peak = `${Math.round(arm.peakMiB)} MiB`.padStart(11);
    console.log(
      `${name.padEnd(24)}${seconds(arm.checkSeconds)}${seconds(arm.countSeconds)}${peak}`,
    );
  }
}
