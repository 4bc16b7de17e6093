import { mkdir, readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { writeAtomically } from "../sdk/storage/files/publishFile.ts";

/** Results about large datasets, file names by storage root, and what was ordered by task. */
type Subject = "datasets" | "names" | "orders";

/**
 * A folder of what commands found before and would find again, by the XDG Base Directory standard. Losing it costs time,
 * or a name in a list.
 */
export function memoryFolder(about: Subject): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return join(cache, "anneal", about);
}

/** Remembers a text for this user of this machine, if the folder can be written. */
export async function remember(about: Subject, name: string, text: string): Promise<void> {
  const folder = memoryFolder(about);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeAtomically(join(folder, name), (temporary) =>
      writeFile(temporary, text, { mode: 0o600 }),
    );
  } catch {
    // It is found again.
  }
}

/** What was remembered under a name; null if nothing was. */
export async function recall(about: Subject, name: string): Promise<string | null> {
  return readFile(join(memoryFolder(about), name), "utf8").catch(() => null);
}
