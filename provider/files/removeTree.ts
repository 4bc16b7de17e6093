import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * Removes a file, or a directory with all below it. Node names every file by its whole path, which a training can make
 * too long, or turn into a link to somewhere else meanwhile: the system's own program goes down step by step, and
 * follows no link. Directories that a training has closed are opened first if need be.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await run("rm", ["-rf", "--", path]);
  } catch {
    await run("chmod", ["-R", "u+rwX", "--", path]);
    await run("rm", ["-rf", "--", path]);
  }
}
