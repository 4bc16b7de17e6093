import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";

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
