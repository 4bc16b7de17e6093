import { open } from "node:fs/promises";

export type DatasetFormat = "jsonl" | "csv" | "tsv";

const SAMPLE_BYTES = 64 * 1024;

/** The format of a dataset, which is stored without a name: by its first line. */
export async function detectFormat(path: string): Promise<DatasetFormat> {
  const file = await open(path);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(SAMPLE_BYTES), 0, SAMPLE_BYTES, 0);
    const [line = ""] = buffer
      .toString("utf8", 0, bytesRead)
      .replace(/^\ufeff/, "")
      .split("\n", 1);
    if (line.trimStart().startsWith("{")) return "jsonl";
    return line.includes("\t") ? "tsv" : "csv";
  } finally {
    await file.close();
  }
}
