import { ProtocolError } from "../../errors.ts";
import { foreignError } from "../foreign/foreignError.ts";
import type { Problem } from "../formats/rules.ts";
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
    if (error) throw problemError(path, error);
    if (scanned.row) yield scanned;
  }
}

/** The error for a problem that makes a task fail. */
export function problemError(path: string, problem: Problem): ProtocolError {
  const { file, entry, line, message, hint, foreign } = problem;
  if (foreign) return foreignError(path, foreign);
  return new ProtocolError("dataset-invalid", `${file}:${entry ?? line}: ${message}`, hint);
}
