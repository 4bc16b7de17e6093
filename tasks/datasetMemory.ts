import { homedir } from "node:os";
import { join } from "node:path";

/** The folder in which commands remember what they found about large datasets, by the XDG Base Directory standard. */
export function datasetMemory(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return join(cache, "anneal", "datasets");
}
