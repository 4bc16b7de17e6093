/**
 * How long commands take, compared with 0G's official command line (if `npm test` has installed it), measured in turn:
 *
 *   npm run bench:cli               prints the table
 *   npm run bench:cli -- --json     prints one JSON document
 *   npm run bench:cli -- --runs 20  takes the median of 20 runs
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { startLocalChain } from "../../test/helpers/localChain.ts";
import { writeDeployment } from "../../test/helpers/writeDeployment.ts";
import { build } from "../package/build.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const OURS = join(ROOT, "node_modules/hardhat/dist/src/cli.js");
/** The package's program, built as published. */
const ANNEAL = join(build(), "bin/anneal.js");
const THEIRS = join(ROOT, "scripts/rivals/node_modules/.bin/0g-compute-cli");

const { values: options } = parseArgs({
  options: { json: { type: "boolean" }, runs: { type: "string", default: "9" } },
});

/** Median seconds of each command; null if the official command line is not installed. */
interface CliReport {
  readonly runs: number;
  readonly help: number;
  readonly commandHelp: number;
  readonly offlineSeconds: number;
  readonly readSeconds: number;
  readonly annealHelp: number;
  readonly annealOffline: number;
  readonly annealRead: number;
  readonly officialHelp: number | null;
  readonly officialOffline: number | null;
  /** Ours divided by the official --help: below 1 is faster. */
  readonly helpRatio: number | null;
  readonly offlineRatio: number | null;
  /** `anneal` divided by the official --help. */
  readonly annealHelpRatio: number | null;
  readonly annealOfflineRatio: number | null;
  /** `anneal get-account` divided by `npx hardhat get-account`. */
  readonly annealReadRatio: number | null;
  /** Load per core during the measurement: other work makes everything slower. */
  readonly loadPerCore: number;
}

const folder = await mkdtemp(join(tmpdir(), "anneal-bench-"));
const chain = await startLocalChain();
try {
  const report = await measure();
  if (options.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  else print(report);
} finally {
  await chain.close();
  await rm(folder, { recursive: true });
}

async function measure(): Promise<CliReport> {
  const file = join(folder, "data.jsonl");
  await writeFile(file, '{"text":"one"}\n'.repeat(1_000));
  writeDeployment(folder, chain.deployment);
  const lines: Record<string, readonly string[]> = {
    help: [OURS, "--help"],
    commandHelp: [OURS, "create-task", "--help"],
    offline: [OURS, "data-root", "--data-path", file],
    read: [OURS, "get-account"],
    annealHelp: [ANNEAL, "--help"],
    annealOffline: [ANNEAL, "data-root", "--data-path", file],
    annealRead: [ANNEAL, "get-account"],
    ...(existsSync(THEIRS) && {
      officialHelp: [THEIRS, "--help"],
      officialOffline: [THEIRS, "show-network"],
    }),
  };
  const seconds = new Map<string, number[]>(Object.keys(lines).map((name) => [name, []]));
  const runs = Number(options.runs);
  for (let run = -1; run < runs; run++) {
    for (const [name, words] of Object.entries(lines)) {
      const taken = await time(words);
      if (run >= 0) seconds.get(name)!.push(taken); // the first run fills the caches
    }
  }
  const of = (name: string) => median(seconds.get(name));
  const ratio = (ours: number | null, theirs: number | null) =>
    ours === null || theirs === null ? null : round(ours / theirs);
  return {
    runs,
    help: of("help")!,
    commandHelp: of("commandHelp")!,
    offlineSeconds: of("offline")!,
    readSeconds: of("read")!,
    annealHelp: of("annealHelp")!,
    annealOffline: of("annealOffline")!,
    annealRead: of("annealRead")!,
    officialHelp: of("officialHelp"),
    officialOffline: of("officialOffline"),
    helpRatio: ratio(of("help"), of("officialHelp")),
    offlineRatio: ratio(of("offline"), of("officialHelp")),
    annealHelpRatio: ratio(of("annealHelp"), of("officialHelp")),
    annealOfflineRatio: ratio(of("annealOffline"), of("officialHelp")),
    annealReadRatio: ratio(of("annealRead"), of("read")),
    loadPerCore: round(loadavg()[0]! / cpus().length),
  };
}

/** Seconds from start to end of a command, without a terminal. */
function time(words: readonly string[]): Promise<number> {
  const env = {
    ...process.env,
    RPC_ENDPOINT: chain.rpcUrl,
    ANNEAL_DEPLOYMENTS: folder,
    HOME: folder,
  };
  const start = performance.now();
  const child = spawn(process.execPath, words, { cwd: ROOT, env, stdio: "ignore" });
  return new Promise((done, fail) => {
    child.once("error", fail);
    child.once("exit", (code) => {
      if (code === 0) done((performance.now() - start) / 1000);
      else fail(new Error(`${words.slice(1).join(" ")} ended with exit code ${code}.`));
    });
  });
}

function median(values: readonly number[] | undefined): number | null {
  const sorted = values?.toSorted((a, b) => a - b);
  return sorted ? round(sorted[Math.floor(sorted.length / 2)]!) : null;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function print(report: CliReport): void {
  const row = (what: string, seconds: number | null) =>
    console.log(`${what.padEnd(44)} ${seconds === null ? "not installed" : `${seconds} s`}`);
  row("--help", report.help);
  row("create-task --help", report.commandHelp);
  row("data-root, offline", report.offlineSeconds);
  row("get-account, from a local chain", report.readSeconds);
  row("anneal --help", report.annealHelp);
  row("anneal data-root, offline", report.annealOffline);
  row("anneal get-account, from a local chain", report.annealRead);
  row("official --help", report.officialHelp);
  row("official show-network, offline", report.officialOffline);
  console.log(
    `\nOurs divided by the official --help: help ${report.helpRatio}, offline ${report.offlineRatio};\n` +
      `anneal: help ${report.annealHelpRatio}, offline ${report.annealOfflineRatio}.\n` +
      `anneal get-account divided by Hardhat's: ${report.annealReadRatio}.`,
  );
  console.log(`Medians of ${report.runs} runs in turn; load per core ${report.loadPerCore}.`);
}
