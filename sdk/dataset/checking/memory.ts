import { createReadStream } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createSha256, type Sha256 } from "../../platform/index.ts";
import { writeAtomically } from "../../storage/files/publishFile.ts";
import type { DatasetKind } from "../formats/DatasetRow.ts";

/** Smaller datasets are read again: that takes a second. */
const WORTHWHILE_BYTES = 16 * 2 ** 20;
/** Results that are kept; the ones that were not asked for longest are removed. */
const MAX_ENTRIES = 200;

/** A dataset whose results are remembered in a folder. */
export interface Remembered {
  /** What was found for a question, if it was asked before. */
  get(question: object): Promise<unknown>;
  put(question: object, answer: unknown): Promise<void>;
}

/**
 * Opens what a folder remembers about a dataset: by the digest of its bytes and of this code, so that neither another
 * dataset nor another version gets its results. Undefined if there is no folder, or the dataset is small.
 */
export async function openMemory(
  folder: string | undefined,
  path: string,
): Promise<Remembered | undefined> {
  if (folder === undefined) return undefined;
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  if (size < WORTHWHILE_BYTES) return undefined;
  const subject = await digestOfDataset(path);
  const entry = (question: object) =>
    join(folder, `${digestOf(`${subject} ${JSON.stringify(question)}`)}.json`);
  return {
    get: async (question) => {
      try {
        const answer: unknown = JSON.parse(await readFile(entry(question), "utf8"));
        await utimes(entry(question), new Date(), new Date());
        return answer;
      } catch {
        return undefined;
      }
    },
    put: async (question, answer) => {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeAtomically(entry(question), (temporary) =>
        writeFile(temporary, JSON.stringify(answer), { mode: 0o600 }),
      );
      await forget(folder);
    },
  };
}

/** Digest of a dataset and of the code that reads datasets. */
async function digestOfDataset(path: string): Promise<string> {
  const hash = createSha256();
  const code = join(import.meta.dirname, "..");
  const files = await readdir(code, { recursive: true });
  for (const file of files.toSorted()) {
    if (/\.(ts|js)$/.test(file)) await addFile(hash, join(code, file));
  }
  await addFile(hash, path);
  return hash.digest();
}

async function addFile(hash: Sha256, path: string): Promise<void> {
  for await (const chunk of createReadStream(path)) hash.update(chunk);
}

function digestOf(text: string): string {
  const hash = createSha256();
  hash.update(text);
  return hash.digest();
}

async function forget(folder: string): Promise<void> {
  const names = await readdir(folder);
  if (names.length <= MAX_ENTRIES) return;
  const entries = await Promise.all(
    names.map(async (name) => ({ name, used: (await stat(join(folder, name))).mtimeMs })),
  );
  const oldest = entries.toSorted((a, b) => a.used - b.used).slice(0, names.length - MAX_ENTRIES);
  for (const { name } of oldest) await rm(join(folder, name), { force: true });
}

/** A tokenizer as part of a question. */
export function tokenizerDigest(tokenizer: object): string {
  return digestOf(JSON.stringify(tokenizer));
}

/** What a memory is asked for the number of tokens. */
export function countQuestion(kind: DatasetKind, tokenizer: string | undefined): object {
  return { count: kind, tokenizer };
}
