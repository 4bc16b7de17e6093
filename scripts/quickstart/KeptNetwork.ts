import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isRunning } from "../../provider/processes/processTable.ts";
import { writeAtomically } from "../../sdk/storage/files/publishFile.ts";
import { endProcess } from "./endProcess.ts";
import type { NamedProcess } from "./Stack.ts";

/** The addresses of a network that outlives its quick start, and its processes, in the order of their start. */
export interface KeptNetwork {
  /** ISO 8601. */
  readonly started: string;
  readonly rpcUrl: string;
  readonly storageUrl: string;
  readonly apiUrl: string;
  readonly provider: string;
  readonly processes: readonly NamedProcess[];
}

/** The process that starts the network, while it does so. */
export const BUILDER = "npm start";

const recordPath = (directory: string) => join(directory, "network.json");

/** @returns null if there is no network, or none that was recorded. */
export async function readNetwork(directory: string): Promise<KeptNetwork | null> {
  const text = await readFile(recordPath(directory), "utf8").catch(() => null);
  return text === null ? null : (JSON.parse(text) as KeptNetwork);
}

export async function writeNetwork(directory: string, network: KeptNetwork): Promise<void> {
  const text = `${JSON.stringify(network, null, 2)}\n`;
  await writeAtomically(recordPath(directory), (temporary) => writeFile(temporary, text));
}

/**
 * "running": all of it. "starting": its quick start has not finished. "partly": some of its processes have ended.
 * "stale": all have ended, and the state is useless without its chain. "none": there is no state either.
 */
export async function stateOf(
  directory: string,
): Promise<"running" | "starting" | "partly" | "stale" | "none"> {
  const network = await readNetwork(directory);
  const alive = network?.processes.filter(isRunning) ?? [];
  if (alive.some(({ name }) => name === BUILDER)) return "starting";
  if (network && alive.length === network.processes.length) return "running";
  if (alive.length > 0) return "partly";
  return (await stat(directory).catch(() => null)) ? "stale" : "none";
}

/** Makes an empty directory for a network, in place of a stale one. */
export async function makeDirectory(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
}

/**
 * Ends the recorded processes, newest first, and everything that they have started.
 * @returns the names of those that were running.
 */
export async function stopNetwork(directory: string): Promise<string[]> {
  const network = await readNetwork(directory);
  const alive = (network?.processes ?? []).filter(isRunning).toReversed();
  for (const one of alive) await endProcess(one);
  return alive.map(({ name }) => name);
}
