import { open } from "node:fs/promises";
import { unreadableError } from "../../fileErrors.ts";

/** Number of bytes at the start of a file that decide what it is. */
const SAMPLE_BYTES = 64 * 1024;

/**
 * The first 64 KiB of a file.
 * @throws ProtocolError "usage" if the file cannot be read.
 */
export async function readStart(path: string): Promise<Buffer> {
  try {
    const file = await open(path);
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(SAMPLE_BYTES), 0, SAMPLE_BYTES, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw unreadableError(path, error);
  }
}
