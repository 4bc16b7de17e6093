import type { DatasetRow } from "./DatasetRow.ts";
import type { Problem } from "./rules.ts";

/** A place in a dataset: its row, if it is valid, and its problems. */
export interface ScannedRow {
  /** First line of the row, number of the row in a table or of the entry in an archive, from 1. */
  readonly line: number;
  /** Path of the entry in an archive. */
  readonly entry?: string;
  readonly row?: DatasetRow;
  /** The line of JSON that the row was read from. */
  readonly source?: string;
  readonly problems: readonly Problem[];
}
