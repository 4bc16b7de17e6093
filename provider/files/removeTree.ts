import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * Removes a file, or a directory recursively. Node uses the full path of every file, which a training run can make too
 * long, or redirect with a link meanwhile; `rm` descends directory by directory and follows no links. Permissions that
 * a training run has removed from its directories are restored if necessary.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await run("rm", ["-rf", "--", path]);
  } catch {
    await run("chmod", ["-R", "u+rwX", "--", path]);
    await run("rm", ["-rf", "--", path]);
  }
}
