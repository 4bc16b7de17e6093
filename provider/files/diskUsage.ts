import type { Stats } from "node:fs";
import { lstat, opendir } from "node:fs/promises";
import { join } from "node:path";

/** Bytes of a block in the units of lstat, independent of the file system's block size. */
const BLOCK = 512;
const VANISHED: readonly unknown[] = ["ENOENT", "ENOTDIR", "ESTALE"];
const HIDDEN: readonly unknown[] = ["EACCES", "ENAMETOOLONG"];

/**
 * Bytes of disk used below a directory, counted like `du`: allocated blocks, links themselves and not their targets,
 * files with several names once. Files that vanish meanwhile do not count. If anything cannot be counted, because its
 * path is too long or its directory unreadable, the result is infinite.
 * @param except names in the directory that are skipped
 * @param enough counting stops once the total exceeds this
 */
export async function diskUsage(
  directory: string,
  except: readonly string[],
  enough: number,
): Promise<number> {
  const counted = new Set<string>();
  let total = 0;
  try {
    for await (const { dev, ino, nlink, blocks } of entriesBelow(directory, except)) {
      const file = nlink > 1 ? `${dev}/${ino}` : null;
      if (file !== null && counted.has(file)) continue;
      if (file !== null) counted.add(file);
      total += blocks * BLOCK;
      if (total > enough) break;
    }
  } catch (error) {
    if (HIDDEN.includes(codeOf(error))) return Number.POSITIVE_INFINITY;
    throw error;
  }
  return total;
}

/** One at a time: a directory with millions of names does not fit into memory. */
async function* entriesBelow(
  directory: string,
  except: readonly string[],
): AsyncGenerator<Stats, void> {
  const waiting = [directory];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    try {
      for await (const { name } of await opendir(path)) {
        if (path === directory && except.includes(name)) continue;
        const entry = join(path, name);
        const stats = await lstat(entry).catch(nullIfVanished);
        if (stats) yield stats;
        if (stats?.isDirectory()) waiting.push(entry);
      }
    } catch (error) {
      nullIfVanished(error);
    }
  }
}

function nullIfVanished(error: unknown): null {
  if (VANISHED.includes(codeOf(error))) return null;
  throw error;
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code;
