import { mkdir } from "node:fs/promises";
import { join } from "node:path";

/** State and logs of a network that is kept: nothing else is in there. `.anneal` itself is a provider's, too. */
export const NETWORK_DIRECTORY = ".anneal/quickstart";
/** What the quick start, and the README, order a training with. */
export const EXAMPLES = "examples";
/** For what commands write: people keep their models there, too, so every run gets a directory of its own in it. */
const OUTPUT = "output";

/** Makes a new directory, `output/start-1` or the next number, and never takes one that is there. @returns its path in `root`. */
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
