import { DATASET_KINDS, type DatasetKind } from "../../sdk/dataset/formats/DatasetRow.ts";
import { FORMATS, namedFormat } from "../../sdk/dataset/formats/detectFormat.ts";
import { readLines } from "../../sdk/dataset/formats/readLines.ts";

/** Guesses the kind of a dataset if no model is given: by its format, or by whether its first row has a label. */
export async function guessKind(path: string): Promise<DatasetKind> {
  const format = namedFormat(path);
  const kinds = DATASET_KINDS.filter((kind) => format && FORMATS[kind].includes(format));
  if (kinds.length === 1) return kinds[0]!;
  for await (const { text } of readLines(path)) {
    return /"label"\s*:/.test(text) ? "text-classification" : "causal-lm";
  }
  return "causal-lm";
}
