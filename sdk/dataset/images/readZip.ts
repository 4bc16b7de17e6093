import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { crc32 } from "node:zlib";
import { type Entry, openPromise, type ZipFile } from "yauzl";
import { DamagedArchiveError } from "./DamagedArchiveError.ts";

/** An entry of a zip. */
export interface ZipEntry {
  /** Folders are separated by "/". Bytes that are not marked as UTF-8 are UTF-8 if they can be read as such. */
  readonly name: Buffer;
  /** Bytes of its content. */
  readonly size: number;
  /** "other": links, devices and anything else that is not a regular file. */
  readonly kind: "file" | "directory" | "other";
  /** Why the content cannot be read although the archive is valid. */
  readonly obstacle?: "encrypted" | "rare compression";
  read(): Promise<Buffer>;
}

const ENCRYPTED_FLAG = 1;
/** Stored and deflated. */
const METHODS = [0, 8];
const SLASH = 0x2f;
const BACKSLASH = 0x5c;

/**
 * Reads the entries of a zip in the order of its central directory.
 * @throws DamagedArchiveError
 */
export async function* readZip(path: string): AsyncGenerator<ZipEntry> {
  let zip: ZipFile | undefined;
  try {
    zip = await openPromise(path, { decodeStrings: false, autoClose: false });
    for await (const entry of zip.eachEntry()) yield describe(zip, entry);
  } catch (error) {
    throw damagedZipError(error);
  } finally {
    zip?.close();
  }
}

function describe(zip: ZipFile, entry: Entry): ZipEntry {
  const name = withSlashes(entry.fileNameRaw);
  const obstacle = obstacleOf(entry);
  return {
    name,
    size: entry.uncompressedSize,
    kind: kindOf(name, entry),
    ...(obstacle && { obstacle }),
    read: () => readContent(zip, entry),
  };
}

/** Some programs for Windows separate folders by a backslash. */
function withSlashes(name: Buffer): Buffer {
  return Buffer.from(name.map((byte) => (byte === BACKSLASH ? SLASH : byte)));
}

/** By the Unix mode, if the zip has one. */
function kindOf(name: Buffer, { externalFileAttributes }: Entry): ZipEntry["kind"] {
  if (name.at(-1) === SLASH) return "directory";
  const type = (externalFileAttributes >>> 16) & 0o170000;
  return type === 0 || type === 0o100000 ? "file" : "other";
}

function obstacleOf(entry: Entry): ZipEntry["obstacle"] {
  const flags = entry.generalPurposeBitFlag;
  if (flags & ENCRYPTED_FLAG) return "encrypted";
  return METHODS.includes(entry.compressionMethod) ? undefined : "rare compression";
}

async function readContent(zip: ZipFile, entry: Entry): Promise<Buffer> {
  try {
    const stream: Readable = await zip.openReadStreamPromise(entry);
    const content = await buffer(stream);
    if (crc32(content) !== entry.crc32) throw new Error("a checksum is wrong");
    return content;
  } catch (error) {
    throw damagedZipError(error);
  }
}

function damagedZipError(error: unknown): DamagedArchiveError {
  if (error instanceof DamagedArchiveError) return error;
  return new DamagedArchiveError(`The zip cannot be read (${(error as Error).message}).`, {
    cause: error,
  });
}
