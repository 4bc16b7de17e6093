import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** Where a file is while it is not complete: beside its final name, so that a rename publishes it. */
export const partPathOf = (path: string): string => `${path}.part`;

/**
 * Writes a whole file: `write` fills a temporary one beside `path`, which then gets that name. Whatever goes wrong
 * before, `path` stays as it was and nothing is left behind.
 * @returns what `write` returns.
 */
export async function writeAtomically<T>(
  path: string,
  write: (temporaryPath: string) => Promise<T>,
): Promise<T> {
  const temporary = partPathOf(path);
  try {
    const result = await write(temporary);
    await publishFile(temporary, path);
    return result;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/**
 * Gives a finished temporary file its final name, both in the same directory. After this returns
 * the file survives a power cut; before, the name never shows half a file.
 */
export async function publishFile(temporaryPath: string, path: string): Promise<void> {
  await sync(temporaryPath, "r+");
  await rename(temporaryPath, path);
  await sync(dirname(path), "r");
}

async function sync(path: string, flags: string): Promise<void> {
  const handle = await open(path, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
