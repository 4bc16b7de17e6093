import { type FileHandle, open } from "node:fs/promises";
import { ProtocolError } from "../errors.ts";

/**
 * Opens an empty file to write and read back; the caller closes the handle.
 * @throws ProtocolError "usage" when it cannot be created there.
 */
export async function openOutput(path: string): Promise<FileHandle> {
  return open(path, "w+").catch((cause: NodeJS.ErrnoException) => {
    throw new ProtocolError(
      "usage",
      `${path} cannot be written (${cause.code}).`,
      "Give a path in a directory that exists and that you may write to.",
      { cause },
    );
  });
}
