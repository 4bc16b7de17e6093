import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** Path of an incomplete file: in the folder of its final path, so that a rename publishes it. */
export const partPathOf = (path: string): string => `${path}.part`;

/**
 * Writes a file atomically: `write` fills a temporary file, which is then renamed to `path`. If anything fails before,
 * `path` is unchanged and nothing is left behind.
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
 * Renames a finished temporary file to its final name in the same directory. Once this returns, the file survives a
 * power failure; the name never refers to a partial file.
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
