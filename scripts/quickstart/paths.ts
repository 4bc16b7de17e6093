import { mkdir } from "node:fs/promises";
import { join } from "node:path";

/** State and logs of a kept network, and nothing else. `.anneal` itself is also used by providers. */
export const NETWORK_DIRECTORY = ".anneal/quickstart";
/** The datasets and configuration that the quick start and the README order with. */
export const EXAMPLES = "examples";
/** For the output of commands. Users keep their models there, too, so every run gets its own directory in it. */
const OUTPUT = "output";

/** Makes a new directory, `output/start-1` or the next free number. @returns its path in `root`. */
export async function makeRunDirectory(root = "."): Promise<string> {
  await mkdir(join(root, OUTPUT), { recursive: true });
  for (let number = 1; ; number++) {
    const path = join(OUTPUT, `start-${number}`);
    try {
      await mkdir(join(root, path));
      return path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}
