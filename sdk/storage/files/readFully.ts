import type { FileHandle } from "node:fs/promises";
import { ProtocolError } from "../../errors.ts";

/**
 * Fills `target` with the bytes at `position`; a plain read may return fewer.
 * @throws ProtocolError "integrity" if the file is too short; `path` is for the message.
 */
export async function readFully(
  handle: FileHandle,
  target: Uint8Array,
  position: number,
  path: string,
): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const { bytesRead } = await handle.read(target, done, target.length - done, position + done);
    if (bytesRead === 0) {
      throw new ProtocolError(
        "integrity",
        `${path} shrank while it was read.`,
        "Make sure that no other program writes to the file, then try again.",
      );
    }
    done += bytesRead;
  }
}
