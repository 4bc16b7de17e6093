import { stat, statfs } from "node:fs/promises";
import { ProtocolError } from "../../errors.ts";

/** Bytes of a block in `Stats.blocks`, on every file system. */
const BLOCK_BYTES = 512;

/**
 * Fails when `size` bytes have no room in `directory`.
 * @param begun files that are a part of them already, and take no more room.
 * @throws ProtocolError "unexpected", as a disk does that is full later, with what is missing.
 */
export async function ensureDiskSpace(
  directory: string,
  size: number,
  begun: readonly string[] = [],
): Promise<void> {
  const disk = await statfs(directory).catch(() => undefined);
  if (!disk) return; // whoever writes there will say why not
  const taken = await Promise.all(begun.map(takenBytes));
  const missing = size - taken.reduce((sum, bytes) => sum + bytes, 0) - disk.bavail * disk.bsize;
  if (missing <= 0) return;
  throw new ProtocolError(
    "unexpected",
    `The disk of ${directory} has no room for ${inMib(size)} MiB: ${inMib(missing)} MiB are missing.`,
    "Make room there, or give a path on another disk, then try again.",
  );
}

async function takenBytes(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return (found?.blocks ?? 0) * BLOCK_BYTES;
}

const inMib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
