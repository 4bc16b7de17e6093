import { ProtocolError } from "../../errors.ts";
import { foreignError } from "../foreign/foreignError.ts";
import type { DatasetKind, DatasetRow } from "../formats/DatasetRow.ts";
import type { ScannedRow } from "../formats/ScannedRow.ts";
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

/**
 * The valid rows of a dataset.
 * @throws ProtocolError "dataset-invalid" for the first error, as file:line.
 */
export async function* requireValid(
  path: string,
  rows: AsyncIterable<ScannedRow>,
): AsyncGenerator<ScannedRow> {
  for await (const scanned of rows) {
    const error = scanned.problems.find(({ severity }) => severity === "error");
    if (error?.foreign) throw foreignError(path, error.foreign);
    if (error) {
      const place = `${error.file}:${error.entry ?? error.line}`;
      throw new ProtocolError("dataset-invalid", `${place}: ${error.message}`, error.hint);
    }
    if (scanned.row) yield scanned;
  }
}
