import type { FileHandle } from "node:fs/promises";
import { ProtocolError } from "../../errors.ts";

/**
 * Fills `target` with the bytes at `position`; a plain read may return fewer.
 * @throws ProtocolError "integrity" when the file ends before that; `path` is for its text.
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
        `${path} became shorter while it was read.`,
        "Let no other program write to the file, then try again.",
      );
    }
    done += bytesRead;
  }
}
