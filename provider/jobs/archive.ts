import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ZipFile } from "yazl";

/** Read as local time by the DOS timestamp, so that it is the same in every time zone. */
const FIXED_TIME = new Date(1980, 0, 1);
const FIXED_MODE = 0o100644;

/**
 * Packs a directory into a zip whose bytes depend on names and contents alone: sorted names, fixed times and modes,
 * nothing compressed (weights do not shrink, and a compressor's next version would give other bytes).
 * The file appears at `targetPath` only when complete.
 * @returns SHA-256 as hex, and the size in bytes.
 */
export async function packDirectory(
  directory: string,
  targetPath: string,
  signal?: AbortSignal,
): Promise<{ sha256: string; size: number }> {
  const zip = new ZipFile();
  const failed = new Promise<never>((_, reject) => zip.once("error", reject));
  for (const name of await listFiles(directory)) {
    zip.addFile(join(directory, name), name, {
      mtime: FIXED_TIME,
      mode: FIXED_MODE,
      compress: false,
      forceDosTimestamp: true,
    });
  }
  zip.end();

  const hash = createHash("sha256");
  let size = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  const partPath = `${targetPath}.part`;
  const file = createWriteStream(partPath, { mode: 0o600, flush: true });
  const written = pipeline(
    zip.outputStream as NodeJS.ReadableStream,
    measure,
    file,
    signal ? { signal } : {},
  );
  await Promise.race([written, failed]);
  await rename(partPath, targetPath);
  return { sha256: hash.digest("hex"), size };
}

/** Relative paths of all regular files below `directory`, with slashes, sorted by code point. Links are left out. */
export async function listFiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(directory.length + 1)
        .replaceAll("\\", "/"),
    )
    .sort(byCodePoint);
}

/** The order of Python's `sorted` and of `LC_ALL=C sort`; JavaScript's own compares UTF-16 units. */
export function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
