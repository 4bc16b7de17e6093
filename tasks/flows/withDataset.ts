import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { detectFormat } from "../../sdk/dataset/formats/detectFormat.ts";
import { readDatasetHeader } from "../../sdk/exchange/openDataset.ts";
import { parseRoot, type Root } from "../../sdk/ids.ts";
import { download } from "../../sdk/storage/download.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { transfer } from "./transfer.ts";

/** A dataset on this machine. */
export interface LocalDataset {
  readonly path: string;
  /** Root of stored data; null for a file that is not uploaded yet. */
  readonly root: Root | null;
}

/**
 * Calls `work` with the dataset of a flag: a path, or the root hash of stored data. Stored data is downloaded to a
 * temporary folder for the duration of `work`, because it has to be checked and counted.
 */
export async function withDataset<T>(
  value: string,
  storageUrl: string,
  terminal: Terminal,
  work: (dataset: LocalDataset) => Promise<T>,
): Promise<T> {
  const root = storedRoot(value);
  if (root === null) return work({ path: value, root });
  const folder = await mkdtemp(join(tmpdir(), "anneal-dataset-"));
  try {
    const path = await fetchStored(storageUrl, root, folder, terminal);
    return await work({ path, root });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The root hash of stored data in a flag, or null for a path. */
export const storedRoot = (value: string): Root | null =>
  /^0x[0-9a-f]{64}$/i.test(value) ? parseRoot(value) : null;

async function fetchStored(
  storageUrl: string,
  root: Root,
  folder: string,
  terminal: Terminal,
): Promise<string> {
  const fetched = join(folder, "fetched");
  await transfer(terminal, "Dataset", (options) => download(storageUrl, root, fetched, options));
  if (await readDatasetHeader(fetched)) return fetched;
  const path = join(folder, `${root}.${await detectFormat(fetched)}`);
  await rename(fetched, path);
  return path;
}
