import type { Fields } from "../formats/checkText.ts";
import { type JsonPiece, JsonScanner } from "../formats/JsonScanner.ts";
import { readCsv } from "../formats/readCsv.ts";
import { type Line, readChunks, readLines } from "../formats/readLines.ts";
import type { SourceRow } from "./openSource.ts";
import { invalidRowError } from "./RowError.ts";

/** Why text cannot be read. */
const PROBLEMS = {
  "not-utf-8": "The row is not valid UTF-8.",
  "line-too-long": "The row is longer than 16 MiB.",
  "bad-quotes": "The quotation marks of the row do not match.",
  unfinished: "The JSON ends before its last bracket.",
  "after-end": "There is text after the end of the JSON array.",
} as const;

type Failure = (line: number, message: string) => Error;

/** A JSON object on each line; blank lines are skipped. */
export async function* readJsonLines(path: string): AsyncGenerator<SourceRow> {
  const fail: Failure = (line, message) => invalidRowError(path, line, message);
  for await (const { line, text, problem } of readLines(path)) {
    if (problem) throw fail(line, PROBLEMS[problem]);
    const json = line === 1 ? text.replace(/^\ufeff/, "") : text;
    if (json.trim() !== "") yield { line, row: toObject(json, line, fail) };
  }
}

/** The elements of a JSON array, or JSON objects over several lines. */
export async function* readJsonPieces(path: string): AsyncGenerator<SourceRow> {
  const fail: Failure = (line, message) => invalidRowError(path, line, message);
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const decode = ({ bytes, line }: JsonPiece) => {
    try {
      return decoder.decode(bytes);
    } catch {
      throw fail(line, PROBLEMS["not-utf-8"]);
    }
  };
  for await (const piece of scanJson(path)) {
    if (piece.problem) throw fail(piece.line, PROBLEMS[piece.problem]);
    yield { line: piece.line, row: toObject(decode(piece), piece.line, fail) };
  }
}

async function* scanJson(path: string): AsyncGenerator<JsonPiece> {
  const scanner = new JsonScanner();
  let isFirst = true;
  for await (const chunk of readChunks(path)) {
    yield* scanner.feed(isFirst && hasMark(chunk) ? chunk.subarray(3) : chunk);
    isFirst = false;
  }
  yield* scanner.end();
}

const hasMark = (chunk: Buffer) => chunk.subarray(0, 3).toString("latin1") === "\xef\xbb\xbf";

function toObject(text: string, line: number, fail: Failure): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw fail(line, "The row is not JSON.");
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw fail(line, "The row is JSON, but not an object.");
}

/** Rows with the names of the header as keys or, without a header, the columns' numbers; blank lines are skipped. */
export async function* readTable(
  path: string,
  form: "csv" | "tsv",
  isHeaderless: boolean,
): AsyncGenerator<SourceRow> {
  const lines = dropMark(readLines(path));
  let header: readonly string[] | undefined;
  for await (const { line, fields, problem } of form === "csv" ? readCsv(lines) : readTsv(lines)) {
    if (problem) throw invalidRowError(path, line, PROBLEMS[problem]);
    if (fields.length < 2 && fields.join("").trim() === "") continue;
    if (!header && !isHeaderless) {
      header = fields;
      continue;
    }
    const entries = fields.map((field, index) => [header?.[index] ?? String(index), field]);
    yield { line, row: Object.fromEntries(entries) };
  }
}

async function* readTsv(lines: AsyncIterable<Line>) {
  for await (const { line, text, problem } of lines) {
    yield { line, fields: text.replace(/\r$/, "").split("\t"), problem };
  }
}

async function* dropMark(lines: AsyncIterable<Line>): AsyncGenerator<Line> {
  for await (const line of lines) {
    yield line.line === 1 ? { ...line, text: line.text.replace(/^\ufeff/, "") } : line;
  }
}
