import { type FileHandle, open } from "node:fs/promises";
import { ProtocolError } from "../../errors.ts";
import { unreadableError } from "../../fileErrors.ts";

/**
 * Opens a file for reading; the caller closes the handle.
 * @returns the handle and the size in bytes, at least 1.
 * @throws ProtocolError "usage" if there is no such file, or if it is a directory or empty.
 */
export async function openInput(path: string): Promise<{ handle: FileHandle; size: number }> {
  const handle = await open(path, "r").catch((cause: unknown) => {
    throw unreadableError(path, cause);
  });
  const stat = await handle.stat().catch(async (cause: unknown) => {
    await handle.close();
    throw unreadableError(path, cause);
  });
  if (stat.isFile() && stat.size > 0) return { handle, size: stat.size };
  await handle.close();
  throw new ProtocolError(
    "usage",
    stat.isFile() ? `${path} is empty.` : `${path} is not a file.`,
    "Give the path of a file with at least one byte.",
  );
}
