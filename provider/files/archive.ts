import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ZipFile } from "yazl";
import { writeAtomically } from "../../sdk/storage/files/publishFile.ts";
import { type OutputFile, openListed } from "./JobOutput.ts";

/** A file that a training run wrote, and its name in the archive's folder. */
export interface ArchiveEntry {
  readonly name: string;
  readonly file: OutputFile;
}

/** What an archive contains: one folder. */
export interface ArchiveContent {
  readonly folder: string;
  readonly entries: readonly ArchiveEntry[];
}

/** In local time, as DOS timestamps are, so that it is the same in every time zone. */
const FIXED_TIME = new Date(1980, 0, 1);
const FIXED_MODE = 0o100644;

/**
 * Packs the output of a training run into a zip whose bytes depend only on names and contents: sorted names, fixed
 * times and modes, no compression (weights hardly compress, and another version of the compressor would give other
 * bytes). The file appears at `targetPath` only when it is complete.
 * @param directory the directory that the training run may write to
 * @returns SHA-256 as hex, and the size in bytes.
 * @throws if a file changes meanwhile.
 */
export async function packOutput(
  directory: string,
  { folder, entries }: ArchiveContent,
  targetPath: string,
  signal?: AbortSignal,
): Promise<{ sha256: string; size: number }> {
  const zip = new ZipFile();
  const output = zip.outputStream as unknown as Transform;
  zip.once("error", (error) => output.destroy(error as Error));
  for (const { name, file } of entries.toSorted((a, b) => byCodePoint(a.name, b.name))) {
    const options = {
      size: file.size,
      mtime: FIXED_TIME,
      mode: FIXED_MODE,
      compress: false,
      forceDosTimestamp: true,
    };
    zip.addReadStreamLazy(`${folder}/${name}`, options, (done) => {
      openListed(directory, file).then(
        (handle) => {
          const stream = handle.createReadStream({ start: 0, end: file.size });
          stream.once("error", (error) => zip.emit("error", error));
          done(null, stream);
        },
        done as (error: unknown) => void,
      );
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
  await writeAtomically(targetPath, (temporary) => {
    const archive = createWriteStream(temporary, { mode: 0o600 });
    return pipeline(output, measure, archive, signal ? { signal } : {});
  });
  return { sha256: hash.digest("hex"), size };
}

/** The order of Python's `sorted` and of `LC_ALL=C sort`; JavaScript's default order compares UTF-16 code units. */
export function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
