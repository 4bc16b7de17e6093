import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createGunzip } from "node:zlib";
import { unreadableError } from "../../fileErrors.ts";
import { sha256 } from "../../platform/index.ts";
import type { Finding } from "../formats/Finding.ts";
import { problem } from "../formats/problem.ts";
import type { ScannedRow } from "../formats/ScannedRow.ts";
import { checkImage } from "./checkImage.ts";
import { DamagedArchiveError } from "./DamagedArchiveError.ts";
import { EntryGuard, entryPath } from "./EntryGuard.ts";
import { readTar, type TarEntry } from "./readTar.ts";
import { readZip, type ZipEntry } from "./readZip.ts";

type Entry = TarEntry | ZipEntry;

const OBSTACLES: Record<NonNullable<ZipEntry["obstacle"]>, Finding> = {
  encrypted: { rule: "unreadable-entry", message: "The file is encrypted." },
  "rare compression": {
    rule: "unreadable-entry",
    message: "The file has an unsupported compression method.",
  },
};

/**
 * Streams the images of an archive of class folders, each with its problems; only one image is in memory at a time.
 * @throws ProtocolError "usage" if the file cannot be read.
 */
export async function* scanImages(path: string): AsyncGenerator<ScannedRow> {
  const guard = new EntryGuard(await sizeOf(path));
  let images = 0;
  let line = 0;
  try {
    for await (const entry of readEntries(path)) {
      line += 1;
      const scanned = await scanEntry(guard, entry);
      if (!scanned) continue;
      const { name, row, finding } = scanned;
      const place = { line, entry: name };
      images += 1;
      yield {
        ...place,
        ...(row && { row }),
        problems: finding ? [problem(path, place, finding)] : [],
      };
      // No entry of an archive that is too large is read.
      if (finding?.rule === "archive-too-large") return;
    }
  } catch (error) {
    if (!(error instanceof DamagedArchiveError)) throw error;
    yield atStart(path, { rule: "damaged-archive", message: error.message });
    return;
  }
  if (images === 0) {
    yield atStart(path, { rule: "no-rows", message: "The archive has no images." });
  }
}

function atStart(path: string, finding: Finding): ScannedRow {
  return { line: 1, problems: [problem(path, { line: 1 }, finding)] };
}

type ScannedEntry = Pick<ScannedRow, "row"> & { name: string; finding?: Finding };

/** The image of an entry or its problem; undefined if the entry is skipped. */
async function scanEntry(guard: EntryGuard, entry: Entry): Promise<ScannedEntry | undefined> {
  const path = entryPath(entry.name);
  const name = printable(path);
  const kind = path.endsWith("/") ? "directory" : entry.kind;
  const verdict = guard.admit({ path, size: entry.size, kind });
  if (verdict === "skipped") return undefined;
  if ("finding" in verdict) return { name, finding: verdict.finding };
  if ("obstacle" in entry && entry.obstacle) return { name, finding: OBSTACLES[entry.obstacle] };
  const content = await entry.read();
  const image = checkImage(content);
  if ("rule" in image) return { name, finding: image };
  const finding = guard.admitPixels(image.width * image.height);
  if (finding) return { name, finding };
  guard.settle(verdict.folders);
  const digest = Buffer.from(sha256(content)).toString("hex");
  const { label } = verdict;
  return { name, row: { format: "image", label, digest, ...image, bytes: content.length } };
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    throw unreadableError(path, error);
  }
}

function readEntries(path: string): AsyncGenerator<Entry> {
  return path.endsWith(".zip") ? readZip(path) : readTar(readChunks(path));
}

async function* readChunks(path: string): AsyncGenerator<Buffer> {
  const file = createReadStream(path, { highWaterMark: 2 ** 18 });
  if (!path.endsWith(".gz")) {
    yield* file;
    return;
  }
  const unpacked = createGunzip();
  file.on("error", (error) => unpacked.destroy(error));
  try {
    yield* file.pipe(unpacked) as AsyncIterable<Buffer>;
  } catch (error) {
    const reason = (error as Error).message;
    throw new DamagedArchiveError(`The compressed data is damaged (${reason}).`, { cause: error });
  } finally {
    file.destroy();
  }
}

function printable(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  return name.replace(/[\x00-\x1f\x7f]/g, "?");
}
