import { open } from "node:fs/promises";
import type { DatasetKind } from "./DatasetRow.ts";

export type DatasetFormat = "jsonl" | "csv" | "tsv" | "parquet" | "zip" | "tar" | "tar.gz";

/** What each kind of model is trained on. */
export const FORMATS: Readonly<Record<DatasetKind, readonly DatasetFormat[]>> = {
  "causal-lm": ["jsonl", "parquet"],
  "text-classification": ["jsonl", "csv", "tsv"],
  "image-classification": ["zip", "tar.gz", "tar"],
};

/** First bytes of files that are no text. */
const MAGIC: readonly { format: DatasetFormat; at: number; bytes: string }[] = [
  { format: "parquet", at: 0, bytes: "PAR1" },
  { format: "zip", at: 0, bytes: "PK" },
  { format: "tar.gz", at: 0, bytes: "\x1f\x8b" },
  { format: "tar", at: 257, bytes: "ustar" },
];
/** The format of a kind's files that begin with none of its magic bytes. */
const UNMARKED: Partial<Record<DatasetKind, DatasetFormat>> = {
  "causal-lm": "jsonl",
  "image-classification": "tar",
};

const SAMPLE_BYTES = 64 * 1024;

/** The format that a file's name says, if it is one of a dataset. */
export function namedFormat(path: string): DatasetFormat | undefined {
  return Object.values(FORMATS)
    .flat()
    .find((format) => path.endsWith(`.${format}`));
}

/**
 * The format of a dataset that is stored without a name, by its beginning: among those of `kind`, if the kind of model
 * is known. Whatever is none of them gets the kind's simplest format, whose reader then says what is wrong.
 */
export async function detectFormat(path: string, kind?: DatasetKind): Promise<DatasetFormat> {
  const start = await readStart(path);
  const found = MAGIC.find(
    ({ format, at, bytes }) =>
      (!kind || FORMATS[kind].includes(format)) && start.startsWith(bytes, at),
  );
  return found?.format ?? (kind && UNMARKED[kind]) ?? detectTable(start);
}

/** One character for each byte, without a byte order mark. */
async function readStart(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(SAMPLE_BYTES), 0, SAMPLE_BYTES, 0);
    return buffer.toString("latin1", 0, bytesRead).replace(/^\xef\xbb\xbf/, "");
  } finally {
    await file.close();
  }
}

/** By the first line. */
function detectTable(start: string): DatasetFormat {
  const [line = ""] = start.split("\n", 1);
  if (line.trimStart().startsWith("{")) return "jsonl";
  return line.includes("\t") ? "tsv" : "csv";
}
