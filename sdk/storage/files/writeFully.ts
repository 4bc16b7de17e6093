import type { FileHandle } from "node:fs/promises";

/** Writes all of `bytes` at `position`; a plain write may write fewer if the disk is nearly full. */
export async function writeFully(
  handle: FileHandle,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}
