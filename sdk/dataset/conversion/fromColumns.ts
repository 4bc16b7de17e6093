import type { Fields } from "../formats/checkText.ts";
import type { Converter } from "./Converter.ts";
import { RowError } from "./RowError.ts";

/** Fields that a row may lack. */
const OPTIONAL = ["input"];

/** Takes the fields from columns, or keys, with other names. */
export function fromColumns(columns: Readonly<Record<string, string | number>>): Converter {
  const sources = Object.entries(columns).map(
    ([field, column]) => [field, String(column)] as const,
  );
  const convert = (row: Fields) =>
    Object.fromEntries(
      sources.flatMap(([field, column]) => {
        const value = Object.hasOwn(row, column) ? row[column] : undefined;
        if (OPTIONAL.includes(field) && (value ?? null) === null) return [];
        if (value === undefined) throw new RowError(`The row has no ${column}.`);
        return [[field, value]];
      }),
    );
  return { reads: sources.map(([, column]) => column), convert };
}
