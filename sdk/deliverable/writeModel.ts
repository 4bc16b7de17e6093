import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createZstdCompress } from "node:zlib";
import { pack } from "tar-stream";
import { ZipFile } from "yazl";
import { writeAtomically } from "../storage/files/publishFile.ts";
import { chooseFiles, type ModelFile } from "./chooseFiles.ts";
import { modelFormat } from "./modelFormat.ts";
import { type Archive, openArchive } from "./openArchive.ts";

/** The same in every time zone and every run, so that equal models give equal files. */
const TIME = new Date(Date.UTC(1980, 0, 1));
const MODE = 0o644;

/** Which files to write, and how. */
export interface ModelOptions {
  /** The folder of the files in the output. */
  readonly name: string;
  /** Step of the checkpoint to write; null for the latest weights. */
  readonly step: number | null;
  /** ASCII text stored in the file, for readProvenance. */
  readonly stamp: string;
  readonly signal?: AbortSignal;
}

/**
 * Writes a decrypted archive in its final format, by the extension of the path: a tar file compressed with Zstandard,
 * or a zip file. Memory use does not depend on the size; `outputPath` appears only when complete.
 * @throws ProtocolError "usage" for an unknown step or extension, "task-failed-by-provider" for an archive that cannot
 * be unpacked; the signal's reason if aborted.
 * @example
 * const stamp = `task ${formatTaskId(id)}`;
 * await writeModel("archive.zip", "capitals.tar.zst", { name: "capitals", step: null, stamp });
 */
export async function writeModel(
  archivePath: string,
  outputPath: string,
  options: ModelOptions,
): Promise<void> {
  const write = WRITERS[modelFormat(outputPath)];
  const archive = await openArchive(archivePath);
  try {
    const files = await chooseFiles(archive, options.step);
    await writeAtomically(outputPath, (temporary) => write(archive, files, temporary, options));
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    archive.close();
  }
}

type Writer = (
  archive: Archive,
  files: readonly ModelFile[],
  path: string,
  options: ModelOptions,
) => Promise<void>;

const WRITERS = { ".tar.zst": writeTar, ".zip": writeZip };

async function writeTar(...[archive, files, path, { name, stamp, signal }]: Parameters<Writer>) {
  const tar = pack();
  const zstd = createZstdCompress({ params: { [constants.ZSTD_c_checksumFlag]: 1 } });
  const written = pipeline(tar, zstd, createWriteStream(path), signal ? { signal } : {});
  const fill = async () => {
    for (const [index, { entry, target }] of files.entries()) {
      const header = { name: `${name}/${target}`, size: entry.size, mode: MODE, mtime: TIME };
      const pax = index === 0 ? { pax: { comment: stamp } } : {};
      const sink = tar.entry({ ...header, ...pax }, () => undefined);
      await pipeline(await archive.read(entry), sink);
    }
    tar.finalize();
  };
  await Promise.all([written, fill().catch((error) => tar.destroy(error))]);
}

async function writeZip(...[archive, files, path, { name, stamp, signal }]: Parameters<Writer>) {
  const zip = new ZipFile();
  const failed = new Promise<never>((_, reject) => zip.once("error", reject));
  for (const { entry, target } of files) {
    const options = { mtime: TIME, mode: MODE, compress: false, size: entry.size };
    zip.addReadStreamLazy(`${name}/${target}`, options, (done) => {
      archive.read(entry).then(
        (stream) => done(null, stream),
        (error) => done(error, Readable.from([])),
      );
    });
  }
  zip.end({ comment: stamp, forceZip64Format: false });
  const output = createWriteStream(path);
  const written = pipeline(zip.outputStream, output, signal ? { signal } : {});
  await Promise.race([written, failed]);
}
