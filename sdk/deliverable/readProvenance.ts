import { open } from "node:fs/promises";
import { constants, zstdDecompressSync } from "node:zlib";
import { openPromise } from "yauzl";
import { modelFormat } from "./modelFormat.ts";

/** Enough for the first block of a Zstandard file, which unpacks to at most 128 KiB. */
const HEAD_BYTES = 256 * 1024;
/** A tar file starts with the header of the attributes, followed by the attributes. */
const TAR_BLOCK = 512;

/** The stamp that writeModel wrote into a file; null if the file does not exist or was not written by it. */
export async function readProvenance(path: string): Promise<string | null> {
  try {
    return await (modelFormat(path) === ".zip" ? readZipStamp(path) : readTarStamp(path));
  } catch {
    return null;
  }
}

async function readZipStamp(path: string): Promise<string> {
  const zip = await openPromise(path, { autoClose: false });
  zip.close();
  return zip.comment;
}

/** The stamp is a pax attribute of the first file: only the first block has to be decompressed. */
async function readTarStamp(path: string): Promise<string | null> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    const unfinished = { finishFlush: constants.ZSTD_e_flush };
    const head = zstdDecompressSync(buffer.subarray(0, bytesRead), unfinished);
    return (
      /^\d+ comment=(.*)$/m.exec(head.toString("latin1", TAR_BLOCK, 2 * TAR_BLOCK))?.[1] ?? null
    );
  } finally {
    await file.close();
  }
}
