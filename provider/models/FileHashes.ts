import { readFile, stat, writeFile } from "node:fs/promises";
import { z } from "zod";
import { publishFile } from "../../sdk/storage/files/publishFile.ts";
import { sha256OfFile } from "../files/sha256OfFile.ts";

const Entry = z.object({ version: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/) });
const Entries = z.record(z.string(), Entry);

/**
 * SHA-256 of files, cached across restarts: hashing all models again would take as long as reading them from disk. A
 * file is hashed again if its inode, size, or change time differs.
 */
export class FileHashes {
  readonly #path: string;
  readonly #known: z.output<typeof Entries>;
  readonly #used: z.output<typeof Entries> = {};

  private constructor(path: string, known: z.output<typeof Entries>) {
    this.#path = path;
    this.#known = known;
  }

  /** Opens the cache; a missing or damaged file counts as empty. */
  static async open(path: string): Promise<FileHashes> {
    const text = await readFile(path, "utf8").catch(() => "{}");
    return new FileHashes(path, parse(text));
  }

  /** SHA-256 of a file, as hex. */
  async sha256(path: string): Promise<string> {
    const version = await versionOf(path);
    const known = this.#known[path];
    const sha256 = known?.version === version ? known.sha256 : await sha256OfFile(path);
    this.#used[path] = { version, sha256 };
    return sha256;
  }

  /** Saves the hashes that were requested since the start, and no others. */
  async save(): Promise<void> {
    const temporary = `${this.#path}.part`;
    await writeFile(temporary, JSON.stringify(this.#used), { mode: 0o600 });
    await publishFile(temporary, this.#path);
  }
}

function parse(text: string): z.output<typeof Entries> {
  try {
    return Entries.parse(JSON.parse(text));
  } catch {
    return {};
  }
}

/** Includes ctime, since mtime can be set by anyone who may write the file. */
async function versionOf(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join("/");
}
