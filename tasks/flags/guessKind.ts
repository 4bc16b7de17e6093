import { readColumnNamesOf } from "../../sdk/dataset/foreign/readColumnNamesOf.ts";
import { DATASET_KINDS, type DatasetKind } from "../../sdk/dataset/formats/DatasetRow.ts";
import { FORMATS, namedFormat } from "../../sdk/dataset/formats/detectFormat.ts";
import { kindOfColumns, recognizeColumns } from "../../sdk/dataset/formats/recognizeColumns.ts";

/**
 * Guesses the kind of a dataset if no model is given: by its format, or by whether its first row has a label.
 * @throws ProtocolError "usage" if the file cannot be read.
 */
export async function guessKind(path: string): Promise<DatasetKind> {
  const names = await readColumnNamesOf(path);
  const format = namedFormat(path);
  const kinds = DATASET_KINDS.filter((kind) => format && FORMATS[kind].includes(format));
  if (kinds.length === 1 && !recognizeColumns(names, "causal-lm")) return kinds[0]!;
  return kindOfColumns(names);
}
