import { ProtocolError } from "../../errors.ts";

/** A row that cannot be converted; the message does not name its place. */
export class RowError extends Error {}

/** The error for a row of a file, by its line, or by its number in a parquet file. */
export function invalidRowError(path: string, line: number, message: string): ProtocolError {
  return new ProtocolError(
    "dataset-invalid",
    `${path}:${line}: ${message}`,
    "Nothing was written. Correct the row, or name the format or the columns of the file.",
  );
}
