import { ProtocolError } from "../../errors.ts";
import type { Conversion } from "../../ForeignFile.ts";
import { fitsFormat, recognizeRow } from "../foreign/recognizeRow.ts";
import { quote } from "../formats/checkText.ts";
import { kindOfColumns } from "../formats/recognizeColumns.ts";
import type { Source } from "./openSource.ts";

/**
 * Field of the new dataset → name of its source column or key, or the column's number, from 0, if there is no header.
 */
export type FieldSources = Readonly<Record<string, string | number>>;

/** How the rows of a file are converted. */
export type Plan =
  | { readonly from: "columns"; readonly columns: FieldSources }
  | { readonly from: Exclude<Conversion["from"], "columns"> };

interface Wanted {
  readonly from?: Conversion["from"];
  readonly columns?: FieldSources;
}

/**
 * Plans the conversion that is wanted; what is not given is recognized by the first row.
 * @throws ProtocolError "usage" if it is not recognized.
 */
export function planConversion(path: string, { form, first }: Source, wanted: Wanted): Plan {
  const { from, columns } = wanted;
  if (columns) {
    if (from !== undefined && from !== "columns") throw columnsUnusedError(from);
    return { from: "columns", columns };
  }
  if (from !== undefined && from !== "columns") return { from };
  const names = Object.keys(first);
  const kind = kindOfColumns(names);
  const found = recognizeRow(first, kind);
  if (!from && found && found.from !== "columns") return { from: found.from };
  if (found?.columns) return { from: "columns", columns: found.columns };
  const isFit = fitsFormat(names, kind);
  if (isFit && TABLES.includes(form)) {
    return { from: "columns", columns: Object.fromEntries(names.map((name) => [name, name])) };
  }
  if (isFit || (!from && !LINES.includes(form))) return { from: "array" };
  throw unrecognizedError(path, names);
}

const TABLES: readonly Source["form"][] = ["csv", "tsv"];
/** Forms in which rows that are not recognized are no step forward. */
const LINES: readonly Source["form"][] = [...TABLES, "jsonl"];

const columnsUnusedError = (from: string) =>
  new ProtocolError(
    "usage",
    `Columns are named, but the format is ${from}.`,
    "Leave out the columns, or give the format columns.",
  );

const unrecognizedError = (path: string, names: readonly string[]) =>
  new ProtocolError(
    "usage",
    `The format of ${path} is not recognized (columns: ${names.map(quote).join(", ") || "none"}).`,
    "Name the column of each field.",
    { next: { parameter: "columns" } },
  );
