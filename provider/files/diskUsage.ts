import type { Stats } from "node:fs";
import { lstat, opendir } from "node:fs/promises";
import { join } from "node:path";

/** Bytes of a block, as lstat counts them whatever the file system's own are. */
const BLOCK = 512;
const VANISHED: readonly unknown[] = ["ENOENT", "ENOTDIR", "ESTALE"];
const HIDDEN: readonly unknown[] = ["EACCES", "ENAMETOOLONG"];

/**
 * Bytes of disk that everything below a directory takes, as `du` counts them: the blocks in use, a link as itself and
 * never as what it leads to, a file with several names once. What vanishes meanwhile does not count; what was hidden
 * from being counted, behind a path too long or a directory that may not be read, is infinite.
 * @param except names in the directory that are passed over
 * @param enough the count ends where it is more than this
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
