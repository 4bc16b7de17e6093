import type { DatasetKind, DatasetRow } from "../formats/DatasetRow.ts";
import { requireValid } from "./requireValid.ts";
import { scanRows } from "./scanRows.ts";

/** A valid row and the line on which it starts, from 1. */
export interface PlacedDatasetRow {
  readonly line: number;
  readonly row: DatasetRow;
}

export interface ReadRowsParameters {
  readonly kind: DatasetKind;
  /** The model's token ids are below this number. */
  readonly vocabulary?: number;
}

/**
 * Streams the rows of a dataset with constant memory use.
 * @throws ProtocolError "dataset-invalid" for the first error, as file:line; checkDataset finds all errors.
 * @example
 * for await (const { line, row } of readRows("capitals.jsonl", { kind: "causal-lm" })) {
 *   console.log(line, row.format);
 * }
 */
export async function* readRows(
  path: string,
  options: ReadRowsParameters,
): AsyncGenerator<PlacedDatasetRow> {
  for await (const { line, row } of requireValid(path, scanRows(path, options))) {
    yield { line, row: row! };
  }
}
