import { constants, type FileHandle, open } from "node:fs/promises";
import { ProtocolError } from "../../errors.ts";

const { O_RDWR, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;

/**
 * Opens an empty file to write and read back, and no link to one; the caller closes the handle.
 * @throws ProtocolError "usage" when it cannot be created there.
 */
export async function openOutput(path: string): Promise<FileHandle> {
  return open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW).catch(
    (cause: NodeJS.ErrnoException) => {
      throw new ProtocolError(
        "usage",
        `${path} cannot be written (${cause.code}).`,
        "Give a path in a directory that exists and that you may write to.",
        { cause },
      );
    },
  );
}
