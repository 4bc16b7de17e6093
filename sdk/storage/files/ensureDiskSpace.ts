import { stat, statfs } from "node:fs/promises";
import { ProtocolError } from "../../errors.ts";

/** Bytes of a block in `Stats.blocks`, on every file system. */
const BLOCK_BYTES = 512;

/**
 * Throws if `directory` has no room for `size` bytes.
 * @param begun files that already contain a part of these bytes.
 * @throws ProtocolError "unexpected", as for a disk that becomes full later, with the missing amount.
 */
export async function ensureDiskSpace(
  directory: string,
  size: number,
  begun: readonly string[] = [],
): Promise<void> {
  const disk = await statfs(directory).catch(() => undefined);
  if (!disk) return; // the later write will report the error
  const taken = await Promise.all(begun.map(takenBytes));
  const missing = size - taken.reduce((sum, bytes) => sum + bytes, 0) - disk.bavail * disk.bsize;
  if (missing <= 0) return;
  throw new ProtocolError(
    "unexpected",
    `The disk of ${directory} has no room for ${inMib(size)} MiB: ${inMib(missing)} MiB are missing.`,
    "Free some space, or give a path on another disk, then try again.",
  );
}

async function takenBytes(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return (found?.blocks ?? 0) * BLOCK_BYTES;
}

const inMib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
