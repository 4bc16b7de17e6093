import { link, open, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { unwritableError } from "../../fileErrors.ts";

/** Path of an incomplete file: in the folder of its final path, so that a rename publishes it. */
export const partPathOf = (path: string): string => `${path}.part`;

/**
 * Writes a file atomically: `write` fills a temporary file, which is then renamed to `path`. If anything fails before,
 * `path` is unchanged and nothing is left behind.
 * @returns what `write` returns.
 * @throws ProtocolError "usage" if the file cannot be created there.
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
    await rm(temporary, { force: true }).catch(() => undefined);
    throw (error as NodeJS.ErrnoException).path === temporary
      ? unwritableError(path, error)
      : error;
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

/**
 * Writes a small secret to a new file that only this user can read. The file appears complete or not at all, and never
 * replaces another one.
 * @throws Error with the code EEXIST if `path` exists.
 */
export async function writeSecretFile(path: string, text: string): Promise<void> {
  const temporary = partPathOf(`${path}.${process.hrtime.bigint()}`);
  try {
    await writeFile(temporary, text, { mode: 0o600, flag: "wx" });
    await sync(temporary, "r+");
    await link(temporary, path); // unlike a rename, fails if there is a file
    await sync(dirname(path), "r");
  } finally {
    await rm(temporary, { force: true });
  }
}

async function sync(path: string, flags: string): Promise<void> {
  const handle = await open(path, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
