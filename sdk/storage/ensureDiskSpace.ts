import { stat, statfs } from "node:fs/promises";
import { ProtocolError } from "../errors.ts";

/**
 * Fails when a file of `size` bytes has no room in `directory`.
 * @param partPath what is there of it already, which takes no more room.
 * @throws ProtocolError "usage" that says how much is missing.
 */
export async function ensureDiskSpace(
  directory: string,
  size: number,
  partPath?: string,
): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const part = partPath === undefined ? undefined : await stat(partPath).catch(() => undefined);
  const missing = size - (part?.blocks ?? 0) * 512 - bavail * bsize;
  if (missing <= 0) return;
  throw new ProtocolError(
    "usage",
    `The disk of ${directory} has no room for ${inMib(size)} MiB: ${inMib(missing)} MiB are missing.`,
    "Make room there, or give a path on another disk, then run the same command again.",
  );
}

const inMib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
