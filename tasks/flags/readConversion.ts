import type { FieldSources } from "../../sdk/dataset/conversion/planConversion.ts";
import { didYouMean } from "../../sdk/didYouMean.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import type { Conversion } from "../../sdk/ForeignFile.ts";

const FORMATS = [
  "sharegpt",
  "alpaca",
  "columns",
  "array",
] as const satisfies readonly Conversion["from"][];

/** --from: the format of the rows of a file. */
export function readFormat(value: string | undefined): Conversion["from"] | undefined {
  const format = FORMATS.find((each) => each === value);
  if (format || value === undefined) return format;
  const closest = didYouMean(value, FORMATS);
  throw new ProtocolError(
    "usage",
    `--from is "${value}", not a format.`,
    closest ? `Did you mean "${closest}"?` : `Give one of: ${FORMATS.join(", ")}.`,
  );
}

/** --columns: FIELD=COLUMN, separated by commas; numbers if all of them are, for a table without a header. */
export function readColumns(value: string | undefined): FieldSources | undefined {
  if (value === undefined) return undefined;
  const pairs = value.split(",").map((pair) => readPair(pair, value));
  const isNumbered = pairs.every(([, column]) => /^\d+$/.test(column));
  return Object.fromEntries(
    pairs.map(([field, column]) => [field, isNumbered ? Number(column) : column]),
  );
}

function readPair(pair: string, value: string): [field: string, column: string] {
  const [, field, column] = /^([^=]+)=(.+)$/s.exec(pair) ?? [];
  if (field !== undefined && column !== undefined) return [field.trim(), column];
  throw new ProtocolError(
    "usage",
    `--columns is "${value}", but "${pair}" is not FIELD=COLUMN.`,
    "Write for example --columns prompt=question,completion=answer.",
  );
}
