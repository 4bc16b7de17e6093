import { open } from "node:fs/promises";
import type { DatasetKind } from "../../../sdk/dataset/formats/DatasetRow.ts";

export type DatasetFormat = "jsonl" | "csv" | "tsv" | "parquet" | "zip" | "tar" | "tar.gz";

const SAMPLE_BYTES = 64 * 1024;

/**
 * The format of a dataset, which is stored without a name: by its first bytes, among those that the kind of model is
 * trained on. Whatever is none of them gets the kind's simplest format, whose reader then says what is wrong.
 */
export async function detectFormat(path: string, kind: DatasetKind): Promise<DatasetFormat> {
  const file = await open(path);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(SAMPLE_BYTES), 0, SAMPLE_BYTES, 0);
    return DETECTORS[kind](buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}

const DETECTORS: Record<DatasetKind, (start: Buffer) => DatasetFormat> = {
  "causal-lm": (start) => (startsWith(start, "PAR1") ? "parquet" : "jsonl"),
  "text-classification": detectTable,
  "image-classification": (start) => {
    if (startsWith(start, "PK")) return "zip";
    return startsWith(start, "\x1f\x8b") ? "tar.gz" : "tar";
  },
};

function startsWith(start: Buffer, magic: string): boolean {
  return start.toString("latin1", 0, magic.length) === magic;
}

/** By the first line. */
function detectTable(start: Buffer): DatasetFormat {
  const [line = ""] = start
    .toString("utf8")
    .replace(/^\ufeff/, "")
    .split("\n", 1);
  if (line.trimStart().startsWith("{")) return "jsonl";
  return line.includes("\t") ? "tsv" : "csv";
}
