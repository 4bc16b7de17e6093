import { stat } from "node:fs/promises";
import { join } from "node:path";

/** `path`, or the file `name` in it if it is a directory. */
export async function fileIn(path: string, name: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() || path.endsWith("/") ? join(path, name) : path;
}
