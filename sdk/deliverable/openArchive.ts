import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { type Entry, openPromise, type ZipFile } from "yauzl";
import { ProtocolError } from "../errors.ts";

/** Unpacked bytes per archive byte above which an archive counts as a decompression bomb: weights hardly compress. */
const MAX_RATIO = 20;
/** Maximum size of a text entry that is read. */
const MAX_TEXT = 64 * 1024 * 1024;

export interface ArchiveEntry {
  /** Path with slashes; relative to the archive's folder, and without "..". */
  readonly name: string;
  /** Bytes, unpacked. */
  readonly size: number;
}

/** A decrypted archive, read entry by entry. The caller closes it. */
export interface Archive {
  readonly entries: readonly ArchiveEntry[];
  read(entry: ArchiveEntry): Promise<Readable>;
  readText(entry: ArchiveEntry): Promise<string>;
  close(): void;
}

/**
 * Opens an archive that a provider has packed: its files are in one folder, or at the top.
 * @throws ProtocolError "task-failed-by-provider" if it is not a zip archive, or a malicious one.
 */
export async function openArchive(path: string): Promise<Archive> {
  const options = { lazyEntries: true, autoClose: false, strictFileNames: true };
  const zip = await openPromise(path, options).catch((cause) => {
    throw unreadableArchiveError(cause);
  });
  try {
    const found = await listFiles(zip);
    const read = (entry: ArchiveEntry) => zip.openReadStreamPromise(found.get(entry)!);
    return {
      entries: [...found.keys()],
      read,
      readText: async (entry) => {
        if (entry.size > MAX_TEXT)
          throw unreadableArchiveError(new Error(`${entry.name} is too long`));
        return text(await read(entry));
      },
      close: () => zip.close(),
    };
  } catch (error) {
    zip.close();
    throw error instanceof ProtocolError ? error : unreadableArchiveError(error);
  }
}

/** yauzl refuses absolute names, "..", and streams that are longer than declared. */
async function listFiles(zip: ZipFile): Promise<Map<ArchiveEntry, Entry>> {
  const files: Entry[] = [];
  let total = 0;
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName.endsWith("/")) continue;
    total += entry.uncompressedSize;
    files.push(entry);
  }
  if (total > MAX_RATIO * zip.fileSize) throw new Error("it unpacks to far too much");
  const start = commonFolder(files.map(({ fileName }) => fileName)).length;
  return new Map(
    files.map((entry) => [
      { name: entry.fileName.slice(start), size: entry.uncompressedSize },
      entry,
    ]),
  );
}

/** The folder that all files are in, with its slash; "" if there is none. */
function commonFolder([first = "", ...others]: readonly string[]): string {
  const folder = first.slice(0, first.indexOf("/") + 1);
  return others.every((name) => name.startsWith(folder)) ? folder : "";
}

function unreadableArchiveError(cause: unknown): ProtocolError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ProtocolError(
    "task-failed-by-provider",
    `The model decrypts to an archive that cannot be unpacked: ${reason}.`,
    "Its bytes are what the provider committed to, so they cannot be disputed: choose another provider.",
    { cause },
  );
}
