import { ProtocolError } from "../../errors.ts";
import { foreignError } from "../foreign/foreignError.ts";
import type { ScannedRow } from "../formats/ScannedRow.ts";

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
