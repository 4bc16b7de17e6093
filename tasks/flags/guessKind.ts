import { extname } from "node:path";
import type { DatasetKind } from "../../sdk/dataset/formats/DatasetRow.ts";
import { readLines } from "../../sdk/dataset/formats/readLines.ts";

/** What a dataset looks like when no model says what it is for: rows with labels are for a classifier, archives for one of images. */
export async function guessKind(path: string): Promise<DatasetKind> {
  if (/\.(zip|tar|tar\.gz)$/.test(path)) return "image-classification";
  if (extname(path) === ".parquet") return "causal-lm";
  if ([".csv", ".tsv"].includes(extname(path))) return "text-classification";
  for await (const { text } of readLines(path)) {
    return /"label"\s*:/.test(text) ? "text-classification" : "causal-lm";
  }
  return "causal-lm";
}
