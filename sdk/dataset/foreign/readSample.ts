import { contentOf } from "../formats/checkContent.ts";
import type { Fields } from "../formats/checkText.ts";
import { JsonScanner } from "../formats/JsonScanner.ts";
import { readCsv } from "../formats/readCsv.ts";

/** The form of a JSON file. Objects over several lines, or several on one, are "objects". */
export interface JsonSample {
  readonly form: "array" | "objects" | "jsonl";
  /** The first object; empty if it is not in the sample. */
  readonly row: Fields;
  /** The key of the rows, if the file is one object. */
  readonly nested?: string;
}

/** The form of a file with its first row or its header, from its first bytes. */
export type Sample =
  | JsonSample
  | { readonly form: "csv" | "tsv"; readonly columns: readonly string[] }
  | { readonly form: "unknown" };

const UNKNOWN: Sample = { form: "unknown" };

/** @param start The first 64 KiB of a file. */
export async function readSample(start: Buffer): Promise<Sample> {
  const text = start.toString().replace(/^\ufeff/, "");
  const json = text.trimStart();
  if (contentOf(start)?.is === "array") return { form: "array", row: firstObject(json) ?? {} };
  if (json.startsWith("{")) return sampleObjects(json);
  return json.startsWith("[") ? UNKNOWN : sampleTable(text);
}

function sampleObjects(text: string): Sample {
  const nested = NESTED.exec(text)?.[1];
  if (nested !== undefined) return { form: "objects", row: {}, nested };
  const row = firstObject(text);
  const [line = "", ...rest] = text.split("\n");
  if (row) return { form: toObject(line) ? "jsonl" : "objects", row };
  return rest.length === 0 ? { form: "jsonl", row: {} } : UNKNOWN;
}

/** Keys under which the rows of a file are kept elsewhere. */
const NESTED =
  /^\{\s*(?:"\w+"\s*:\s*(?:"[^"]*"|[\d.]+|true|false|null)\s*,\s*)*"(data|train|rows|examples|items|records|instances|samples)"\s*:\s*\[\s*\{/;

/** The first object of an array or of a sequence of objects. */
function firstObject(text: string): Fields | undefined {
  const scanner = new JsonScanner();
  const [piece] = scanner.feed(Buffer.from(text));
  return piece && toObject(piece.bytes.toString());
}

/** The object that a text is as JSON, if it is one. */
export function toObject(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Fields) : undefined;
  } catch {
    return undefined;
  }
}

/** Names that a header may have. */
const COLUMN = /^[\p{L}_][\p{L}\p{N} _.-]{0,39}$/u;

/** A table has a header of names and a first row with as many fields. */
async function sampleTable(text: string): Promise<Sample> {
  const lines = text.split("\n").slice(0, 100);
  const form = lines[0]?.includes("\t") ? "tsv" : "csv";
  const [header = [], first = []] = await firstRecords(lines, form);
  const isHeader = header.length > 1 && header.every((name) => COLUMN.test(name));
  return isHeader && first.length === header.length ? { form, columns: header } : UNKNOWN;
}

async function firstRecords(lines: string[], form: "csv" | "tsv"): Promise<readonly string[][]> {
  if (form === "tsv") return lines.map((line) => line.replace(/\r$/, "").split("\t"));
  const records: string[][] = [];
  for await (const { fields } of readCsv(numbered(lines))) {
    records.push([...fields]);
    if (records.length === 2) break;
  }
  return records;
}

async function* numbered(lines: readonly string[]) {
  for (const [index, text] of lines.entries()) yield { line: index + 1, text, ended: true };
}
