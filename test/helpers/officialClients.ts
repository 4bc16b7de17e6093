import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import type { Measured } from "../../scripts/bench/measured.ts";

const execute = promisify(execFile);
const RIVALS = resolve(import.meta.dirname, "../../scripts/rivals");
const SDK = join(RIVALS, "node_modules/@0gfoundation/0g-ts-sdk");
const BINARY = join(
  RIVALS,
  "node_modules/@0gfoundation/0g-compute-ts-sdk/binary/0g-storage-client",
);

/** The target of an upload: a storage node, the chain it follows, and the wallet that pays. */
interface Destination {
  readonly storageUrl: string;
  readonly rpcUrl: string;
  readonly privateKey: string;
}

/** One of 0G's own clients, run in its own process. */
export interface OfficialClient {
  readonly name: string;
  /** Why it cannot run here; null if it can. */
  readonly missing: string | null;
  /** @returns the root that the client says the file has. */
  upload(path: string, destination: Destination): Promise<string>;
  download(root: string, path: string, storageUrl: string, withProof: boolean): Promise<void>;
}

/** The SDK for TypeScript, npm @0gfoundation/0g-ts-sdk. */
export const officialSdk: OfficialClient = {
  name: "0G's TypeScript SDK",
  missing: existsSync(SDK) ? null : "it is not installed: run node scripts/setup.mjs --rivals",
  async upload(path, { storageUrl, rpcUrl, privateKey }) {
    const words = ["upload", path, storageUrl, rpcUrl];
    return (await runSdk(words, { ZG_PRIVATE_KEY: privateKey })).root;
  },
  async download(root, path, storageUrl, withProof) {
    await runSdk(["download", path, storageUrl, root, ...(withProof ? ["--proof"] : [])]);
  },
};

/** The command-line client, written in Go, that npm @0gfoundation/0g-compute-ts-sdk contains. */
export const officialBinary: OfficialClient = {
  name: "0G's storage client",
  missing: whyBinaryIsMissing(),
  async upload(path, { storageUrl, rpcUrl, privateKey }) {
    const where = ["--indexer", storageUrl, "--url", rpcUrl, "--key", privateKey];
    const said = await runBinary(["upload", "--file", path, ...where]);
    return /file uploaded, root = (0x[0-9a-f]{64})/.exec(said)![1]!;
  },
  async download(root, path, storageUrl, withProof) {
    const where = ["--indexer", storageUrl, "--root", root];
    await runBinary(["download", "--file", path, ...where, ...(withProof ? ["--proof"] : [])]);
  },
};

/** @param prefix words before the command, such as those of a program that runs it on one core */
export async function runSdk(
  words: readonly string[],
  env: Record<string, string> = {},
  prefix: readonly string[] = [],
): Promise<Measured> {
  const [command, ...args] = [...prefix, process.execPath, join(RIVALS, "storage.mjs"), ...words];
  const { stdout } = await execute(command!, args, {
    env: { ...process.env, ...env },
    maxBuffer: 2 ** 28, // its log is long
  });
  return JSON.parse(stdout);
}

/** @returns the client's log. */
async function runBinary(words: readonly string[]): Promise<string> {
  const { stdout, stderr } = await execute(BINARY, [...words, "--log-color-disabled"], {
    maxBuffer: 2 ** 28,
  });
  return stdout + stderr;
}

function whyBinaryIsMissing(): string | null {
  if (!existsSync(BINARY)) return "it is not installed: run node scripts/setup.mjs --rivals";
  const { status, error } = spawnSync(BINARY, ["--help"]);
  return status === 0 ? null : `it does not run here (${error?.message ?? `exit code ${status}`})`;
}
