import type { DatasetKind } from "./DatasetRow.ts";
import { readStart } from "./readStart.ts";

export type DatasetFormat = "jsonl" | "csv" | "tsv" | "parquet" | "zip" | "tar" | "tar.gz";

/** The dataset formats of each kind of model. */
export const FORMATS: Readonly<Record<DatasetKind, readonly DatasetFormat[]>> = {
  "causal-lm": ["jsonl", "parquet"],
  "text-classification": ["jsonl", "csv", "tsv"],
  "image-classification": ["zip", "tar.gz", "tar"],
};

/** First bytes of binary formats. */
const MAGIC: readonly { format: DatasetFormat; at: number; bytes: string }[] = [
  { format: "parquet", at: 0, bytes: "PAR1" },
  { format: "zip", at: 0, bytes: "PK" },
  { format: "tar.gz", at: 0, bytes: "\x1f\x8b" },
  { format: "tar", at: 257, bytes: "ustar" },
];
/** The format of files without any of these magic bytes, by kind. */
const UNMARKED: Partial<Record<DatasetKind, DatasetFormat>> = {
  "causal-lm": "jsonl",
  "image-classification": "tar",
};

/** The format that a file's extension names, if it is a dataset format. */
export function namedFormat(path: string): DatasetFormat | undefined {
  return Object.values(FORMATS)
    .flat()
    .find((format) => path.endsWith(`.${format}`));
}

/**
 * Detects the format of a dataset that is stored without a name from its first bytes: among those of `kind`, if the
 * kind of model is known. An unknown format counts as the kind's simplest one, whose reader then reports what is wrong.
 */
export async function detectFormat(path: string, kind?: DatasetKind): Promise<DatasetFormat> {
  // One character for each byte, without a byte order mark.
  const start = (await readStart(path)).toString("latin1").replace(/^\xef\xbb\xbf/, "");
  const found = MAGIC.find(
    ({ format, at, bytes }) =>
      (!kind || FORMATS[kind].includes(format)) && start.startsWith(bytes, at),
  );
  return found?.format ?? (kind && UNMARKED[kind]) ?? detectTable(start);
}

/** By the first line. */
function detectTable(start: string): DatasetFormat {
  const [line = ""] = start.split("\n", 1);
  if (line.trimStart().startsWith("{")) return "jsonl";
  return line.includes("\t") ? "tsv" : "csv";
}
