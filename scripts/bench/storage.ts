/**
 * Our storage compared with 0G's TypeScript SDK, in one run on the same files:
 *
 *   npm run bench:storage                    prints the table
 *   npm run bench:storage -- --json          prints one JSON document
 *   npm run bench:storage -- --sizes 64      only files of 64 MiB (the default is 64,256)
 *
 * Every measurement is a separate process; transfers use an embedded storage node that is new for every upload.
 * Everything is compared by wall time; root on one core, to which both are pinned, and on all cores. Ours use the
 * node's own HTTP API, like commands and daemon; `0g` is our client with the same node through 0G's protocol. Our
 * downloads verify every byte; those of 0G's storage client do, too, those of 0G's SDK verify none.
 * Needs 0G's SDK: node scripts/setup.mjs --rivals.
 */
import { execFile } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import hre from "hardhat";
import { createStorageServer } from "../../provider/storage/storageServer.ts";
import { type FlowChain, startFlowChain } from "../../test/helpers/flowChain.ts";
import { officialBinary, officialSdk, runSdk } from "../../test/helpers/officialClients.ts";
import type { Measured } from "./measured.ts";

interface Comparison {
  readonly ours: Measured;
  readonly theirs: Measured;
  /** Speed of ours divided by theirs. */
  readonly ratio: number;
}

interface SizeReport {
  readonly mib: number;
  /** On one core. */
  readonly root: Comparison;
  readonly rootOnAllCores: Comparison;
  readonly upload: Comparison;
  readonly download: Comparison;
  /** Seconds that 0G's storage client takes for a verified download, as a process; null if it cannot run. */
  readonly binaryDownload: { readonly seconds: number; readonly ratio: number } | null;
  /** Our client with 0G's protocol, against the same measurements of theirs. */
  readonly upload0g: Comparison;
  readonly download0g: Comparison;
  /** Encrypting, hashing and writing in one pass, and its parts. */
  readonly seal: {
    readonly pass: Measured;
    readonly parts: Readonly<Record<"cipher" | "pages" | "tree", Measured>>;
  };
}

interface StorageReport {
  readonly machine: { readonly cpu: string; readonly cores: number; readonly node: string };
  /** The smallest ratios of all sizes. */
  readonly rootRatio: number;
  readonly uploadRatio: number;
  readonly downloadRatio: number;
  /** The largest of our root, upload and download, over all sizes. */
  readonly peakMemoryMiB: number;
  readonly sizes: readonly SizeReport[];
}

const MIB = 2 ** 20;
const LIMITS = {
  totalBytes: 2 ** 40,
  uploadBytes: 2 ** 40,
  freeDiskBytes: 0,
  abandonedAfterMs: 3_600_000,
};
/** Repetitions, because ours take only a fraction of a second. */
const RUNS = 3;
const execute = promisify(execFile);
/** Pins a program to one core, if the system supports it. */
const ONE_CORE = process.platform === "linux" ? ["taskset", "--cpu-list", "0"] : [];

const { values: options } = parseArgs({
  options: { json: { type: "boolean" }, sizes: { type: "string", default: "64,256" } },
});
if (officialSdk.missing !== null) {
  console.error(`${officialSdk.name} cannot be measured: ${officialSdk.missing}.`);
  process.exit(2);
}

const folder = await mkdtemp(join(tmpdir(), "anneal-bench-"));
await hre.tasks.getTask("build").run({ quiet: true });
const chain = await startFlowChain();
try {
  const sizes: SizeReport[] = [];
  for (const mib of options.sizes.split(",").map(Number)) sizes.push(await measure(mib, chain));
  const report = summarize(sizes);
  if (options.json) console.log(JSON.stringify(report, null, 2));
  else printTable(report);
} finally {
  await chain.close();
  await rm(folder, { recursive: true, force: true });
}

async function measure(mib: number, { rpcUrl, accounts, flowAddress }: FlowChain) {
  const path = join(folder, `${mib}`);
  await makeFile(path, mib);
  const env = { ZG_PRIVATE_KEY: accounts[1]!.privateKey };
  const zeroG = (url: string) => `0g+${url}?flow=${flowAddress}`;
  const http = await thereAndBack(path, RUNS, {
    upload: (url) => ours("upload", [path, url]),
    download: (url, root, back) => ours("download", [back, url, root]),
  });
  const protocol = await thereAndBack(path, RUNS, {
    upload: (url) => ours("upload", [path, zeroG(url), rpcUrl], env),
    download: (url, root, back) => ours("download", [back, zeroG(url), root]),
  });
  const theirs = await thereAndBack(path, 1, {
    upload: (url) => runSdk(["upload", path, url, rpcUrl], env),
    download: (url, root, back) => runSdk(["download", back, url, root]),
  });
  const report: SizeReport = {
    mib,
    root: compare(
      await best(() => ours("root", [path], {}, ONE_CORE)),
      await runSdk(["root", path], {}, ONE_CORE),
    ),
    rootOnAllCores: compare(await best(() => ours("root", [path])), await runSdk(["root", path])),
    upload: compare(http.upload, theirs.upload),
    download: compare(http.download, theirs.download),
    binaryDownload: await measureBinary(http.download, (url) =>
      ours("upload", [path, zeroG(url), rpcUrl], env),
    ),
    upload0g: compare(protocol.upload, theirs.upload),
    download0g: compare(protocol.download, theirs.download),
    seal: await measureSeal(path),
  };
  await rm(path);
  return report;
}

/** Uploads to an empty node and downloads from it, and returns the fastest of the runs. */
async function thereAndBack(
  path: string,
  runs: number,
  client: {
    upload(url: string): Promise<Measured>;
    download(url: string, root: string, back: string): Promise<Measured>;
  },
): Promise<{ upload: Measured; download: Measured }> {
  const back = join(folder, "back");
  const uploads: Measured[] = [];
  const downloads: Measured[] = [];
  for (let run = 0; run < runs; run++) {
    await withNode(async (url) => {
      const sent = await client.upload(url);
      uploads.push(sent);
      downloads.push(await client.download(url, sent.root, back));
    });
    await mustBeEqual(path, back);
    await rm(back);
  }
  return { upload: fastest(uploads), download: fastest(downloads) };
}

/** Measures a download with proofs by 0G's storage client, after `upload` has filled a node. */
async function measureBinary(
  download: Measured,
  upload: (url: string) => Promise<Measured>,
): Promise<SizeReport["binaryDownload"]> {
  if (officialBinary.missing !== null) return null;
  const back = join(folder, "back");
  let seconds = 0;
  await withNode(async (url) => {
    const { root } = await upload(url);
    const start = performance.now();
    await officialBinary.download(root, back, url, true);
    seconds = (performance.now() - start) / 1_000;
  });
  await rm(back);
  return { seconds, ratio: seconds / download.seconds };
}

async function measureSeal(path: string): Promise<SizeReport["seal"]> {
  const sealed = join(folder, "sealed");
  const pass = await best(() => ours("seal", [path, sealed]));
  await rm(sealed);
  const alone = (part: string) => best(() => ours(part, [path]));
  const [cipher, pages, tree] = [await alone("cipher"), await alone("pages"), await alone("tree")];
  return { pass, parts: { cipher, pages, tree } };
}

async function ours(
  verb: string,
  words: readonly string[],
  env: Record<string, string> = {},
  prefix: readonly string[] = [],
) {
  const script = join(import.meta.dirname, "storageOnce.ts");
  const [command, ...args] = [...prefix, process.execPath, script, verb, ...words];
  const { stdout } = await execute(command!, args, { env: { ...process.env, ...env } });
  return JSON.parse(stdout) as Measured;
}

/** Runs an empty storage node that follows the chain. */
async function withNode(work: (url: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(folder, "node-"));
  const submissions = chain.follow();
  const node = await createStorageServer({ directory, limits: LIMITS, submissions });
  try {
    await work(await node.listen({ host: "127.0.0.1", port: 0 }));
  } finally {
    await node.close();
    await rm(directory, { recursive: true });
  }
}

async function makeFile(path: string, mib: number): Promise<void> {
  const file = await open(path, "w");
  const piece = Buffer.alloc(MIB);
  for (let written = 0; written < mib; written++) await file.write(randomFillSync(piece));
  await file.close();
}

async function mustBeEqual(path: string, other: string): Promise<void> {
  const [sent, fetched] = await Promise.all([readFile(path), readFile(other)]);
  if (!sent.equals(fetched)) throw new Error("The downloaded file differs from the uploaded one.");
}

async function best(work: () => Promise<Measured>): Promise<Measured> {
  const results: Measured[] = [];
  for (let run = 0; run < RUNS; run++) results.push(await work());
  return fastest(results);
}

function fastest(results: readonly Measured[]): Measured {
  return results.reduce((one, other) => (other.seconds < one.seconds ? other : one));
}

function compare(one: Measured, theirs: Measured): Comparison {
  if (one.root !== theirs.root) throw new Error("The roots differ.");
  return { ours: one, theirs, ratio: theirs.seconds / one.seconds };
}

function summarize(sizes: readonly SizeReport[]): StorageReport {
  const smallest = (name: "root" | "upload" | "download") =>
    Math.min(...sizes.map((size) => size[name].ratio));
  const memory = sizes.flatMap(({ root, upload, download }) =>
    [root, upload, download].map((comparison) => comparison.ours.peakMemoryMiB),
  );
  return {
    machine: { cpu: cpus()[0]!.model, cores: cpus().length, node: process.version },
    rootRatio: smallest("root"),
    uploadRatio: smallest("upload"),
    downloadRatio: smallest("download"),
    peakMemoryMiB: Math.max(...memory),
    sizes,
  };
}

function printTable({ machine, sizes, ...summary }: StorageReport): void {
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}\n`);
  for (const size of sizes) {
    const { mib, root, rootOnAllCores, upload, download, binaryDownload } = size;
    const { upload0g, download0g, seal } = size;
    console.log(`${mib} MiB${"ours".padStart(31)}${"0G's SDK".padStart(25)}`);
    row("root, on one core", mib, root);
    row("root, on all cores", mib, rootOnAllCores);
    row("upload", mib, upload);
    row("download", mib, download);
    if (binaryDownload) {
      const { seconds, ratio } = binaryDownload;
      const speed = `${(mib / seconds).toFixed(0)} MiB/s`;
      console.log(
        `  0G's storage client, with proofs: ${speed}, ours is ${ratio.toFixed(1)} times as fast`,
      );
    }
    row("upload, in 0G's protocol", mib, upload0g);
    row("download, in 0G's protocol", mib, download0g);
    printSeal(mib, seal);
  }
  const { rootRatio, uploadRatio, downloadRatio, peakMemoryMiB } = summary;
  console.log(
    `At least ${rootRatio.toFixed(1)} times (root, per core), ${uploadRatio.toFixed(1)} times (upload), ${downloadRatio.toFixed(1)} times (download) as fast; never more than ${peakMemoryMiB.toFixed(0)} MiB of memory.`,
  );
}

function printSeal(mib: number, { pass, parts }: SizeReport["seal"]): void {
  const alone = Object.entries(parts).map(
    ([name, part]) => `${name} ${part.cpuSeconds.toFixed(2)} s`,
  );
  const name = "encrypt, hash and write".padEnd(28);
  const time = `${pass.cpuSeconds.toFixed(2)} s of CPU time; parts alone: ${alone.join(", ")}`;
  console.log(`${name}${cell(mib, pass)}   ${time}\n`);
}

function row(name: string, mib: number, { ours: one, theirs, ratio }: Comparison): void {
  const times = `${ratio.toFixed(1)} times`;
  console.log(`${name.padEnd(28)}${cell(mib, one)}${cell(mib, theirs)}   ${times.padStart(12)}`);
}

/** Speed and memory. */
function cell(mib: number, one: Measured): string {
  return `${(mib / one.seconds).toFixed(0).padStart(7)} MiB/s ${one.peakMemoryMiB.toFixed(0).padStart(6)} MiB`;
}
