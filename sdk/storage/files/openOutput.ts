import { constants, type FileHandle, open } from "node:fs/promises";
import { unwritableError } from "../../fileErrors.ts";

const { O_RDWR, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;

/**
 * Creates an empty file for writing and reading back, without following links; the caller closes the handle.
 * @throws ProtocolError "usage" if it cannot be created there.
 */
export async function openOutput(path: string): Promise<FileHandle> {
  return open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW).catch((cause: unknown) => {
    throw unwritableError(path, cause);
  });
}
