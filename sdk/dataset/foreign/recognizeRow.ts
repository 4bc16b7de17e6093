import { didYouMean } from "../../didYouMean.ts";
import type { Conversion } from "../../ForeignFile.ts";
import type { Fields } from "../formats/checkText.ts";
import type { DatasetKind } from "../formats/DatasetRow.ts";
import { ROW_FORMATS } from "../formats/parseRow.ts";
import { recognizeColumns } from "../formats/recognizeColumns.ts";

/** Keys of an instruction's row elsewhere, besides instruction, input and output. */
const ALPACA = ["system", "history", "text"];

/** A conversion, and the keys that it leaves out although the others are those of a dataset. */
export interface RecognizedRow extends Conversion {
  readonly extra?: readonly string[];
}

/** The conversion that a row in another format needs; undefined if it is in none that is known. */
export function recognizeRow(row: Fields, kind: DatasetKind): RecognizedRow | undefined {
  const keys = Object.keys(row);
  if (kind === "causal-lm") {
    if (isShareGpt(row)) return { from: "sharegpt" };
    const isInstruction = keys.includes("instruction") && keys.includes("output");
    if (isInstruction && keys.some((key) => ALPACA.includes(key))) return { from: "alpaca" };
  }
  if (fitsFormat(keys, kind)) return undefined;
  const columns = recognizeColumns(keys, kind);
  return columns ? { from: "columns", columns } : recognizeExtra(keys, kind);
}

/** Whether keys are those of one format of datasets. */
export function fitsFormat(keys: readonly string[], kind: DatasetKind): boolean {
  return formatsOf(kind).some(
    ({ required, optional }) =>
      required.every((key) => keys.includes(key)) &&
      keys.every((key) => required.includes(key) || optional.includes(key)),
  );
}

/** A row with all keys of a format, and others that are in none and are no misspellings of its optional ones. */
function recognizeExtra(keys: readonly string[], kind: DatasetKind): RecognizedRow | undefined {
  const formats = formatsOf(kind);
  const format = formats.find(({ required }) => required.every((key) => keys.includes(key)));
  if (!format) return undefined;
  const own = [...format.required, ...format.optional];
  const all = new Set(formats.flatMap(({ required, optional }) => [...required, ...optional]));
  const extra = keys.filter((key) => !own.includes(key));
  const isClear = extra.every((key) => !all.has(key) && didYouMean(key, own) === undefined);
  if (!isClear) return undefined;
  const columns = Object.fromEntries(
    own.filter((key) => keys.includes(key)).map((key) => [key, key]),
  );
  return { from: "columns", columns, extra };
}

interface RowFormat {
  readonly required: readonly string[];
  readonly optional: readonly string[];
}

const formatsOf = (kind: DatasetKind): readonly RowFormat[] =>
  kind === "image-classification" ? [] : Object.values(ROW_FORMATS[kind]);

/** Conversations under the key of ShareGPT, or messages with its keys. */
function isShareGpt({ conversations, messages }: Fields): boolean {
  if (conversations !== undefined) return true;
  const [first] = Array.isArray(messages) ? messages : [];
  return typeof first === "object" && first !== null && "from" in first && "value" in first;
}
