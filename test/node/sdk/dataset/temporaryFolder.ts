import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "mocha";

/** Writes files into a folder that is removed after the describe block that created it. */
export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), "anneal-dataset-"));
  after(() => rmSync(folder, { recursive: true }));
  let count = 0;
  return {
    folder,
    /** Writes a file and returns its path; `ending` is ".jsonl", ".csv" and so on. */
    write(ending: string, content: string | Uint8Array): string {
      const path = join(folder, `file-${count++}${ending}`);
      writeFileSync(path, content);
      return path;
    },
  };
}

/** Rows as the text of a .jsonl file. */
export function jsonl(...rows: unknown[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
