import { contentOf } from "../formats/checkContent.ts";
import { readLines } from "../formats/readLines.ts";
import { readStart } from "../formats/readStart.ts";
import { readColumnNames } from "../tokens/readParquet.ts";
import { readSample, toObject } from "./readSample.ts";

/**
 * The columns of a table, or the keys of the first JSON object; none if the file is neither.
 * @throws ProtocolError "usage" if the file cannot be read.
 */
export async function readColumnNamesOf(path: string): Promise<readonly string[]> {
  const start = await readStart(path);
  const content = contentOf(start);
  if (content?.is === "parquet") return readColumnNames(path).catch(() => []);
  if (content && content.is !== "array") return [];
  const sample = await readSample(start);
  if ("columns" in sample) return sample.columns;
  const keys = "row" in sample ? Object.keys(sample.row) : [];
  return keys.length > 0 || sample.form !== "jsonl" ? keys : keysOfFirstLine(path);
}

/** For a first row that is longer than the sample. */
async function keysOfFirstLine(path: string): Promise<readonly string[]> {
  for await (const { text } of readLines(path)) return Object.keys(toObject(text) ?? {});
  return [];
}
