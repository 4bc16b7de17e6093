import { createWriteStream } from "node:fs";
import { basename, extname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ProtocolError } from "../errors.ts";
import { checkOutput } from "../storage/files/checkOutput.ts";
import { writeAtomically } from "../storage/files/publishFile.ts";
import { readCsv } from "./formats/readCsv.ts";
import { type Line, readLines } from "./formats/readLines.ts";

/**
 * Field of the new dataset → name of its source column or key, or the column's number, from 0, if there is no header.
 */
export type FieldSources = Readonly<Record<string, string | number>>;

/** Which rows and fields to write. */
export interface ConvertOptions {
  readonly fields: FieldSources;
  /** Rows to skip at the start. */
  readonly offset?: number;
  /** Maximum number of rows to write. */
  readonly limit?: number;
  /** Replace an existing file at the output path. */
  readonly force?: boolean;
}

/** The dataset that was written. */
export interface ConvertedDataset {
  readonly rows: number;
}

type SourceRow = { readonly line: number; readonly get: (source: string | number) => unknown };

/**
 * Rewrites a .jsonl, .csv or .tsv file as a .jsonl dataset with the named fields, for example `{prompt: "question",
 * completion: "answer"}`, or `{label: 0, text: 1}` for a file without a header. The output appears only when complete;
 * the input is never modified.
 * @throws ProtocolError "dataset-invalid" if a row lacks a field or cannot be read, or if there are no rows; "usage"
 * for other file types, and for an output that checkOutput refuses.
 * @example
 * const fields = { prompt: "question", completion: "answer" };
 * const { rows } = await convertDataset("questions.csv", "questions.jsonl", { fields });
 */
export async function convertDataset(
  inputPath: string,
  outputPath: string,
  options: ConvertOptions,
): Promise<ConvertedDataset> {
  const { fields, offset = 0, limit = Number.POSITIVE_INFINITY, force = false } = options;
  requireReadable(inputPath);
  requireJsonl(outputPath);
  const { path } = await checkOutput(outputPath, { force, inputs: [inputPath] });
  const headerless = Object.values(fields).every((source) => typeof source === "number");
  let rows = 0;
  async function* convert() {
    let index = 0;
    for await (const row of readSource(inputPath, headerless)) {
      if (rows >= limit) return;
      if (index++ < offset) continue;
      rows += 1;
      yield `${JSON.stringify(pick(row, fields, inputPath))}\n`;
    }
  }
  await writeAtomically(path, async (temporary) => {
    await pipeline(Readable.from(convert()), createWriteStream(temporary));
    if (rows === 0) throw noRowsError(inputPath);
  });
  return { rows };
}

const READABLE = [".jsonl", ".csv", ".tsv"];

function requireReadable(path: string): void {
  const ending = extname(path);
  if (READABLE.includes(ending)) return;
  if (ending === ".json") throw jsonDocumentError(path);
  throw new ProtocolError(
    "usage",
    `${path} is not a .jsonl, .csv or .tsv file.`,
    "Rename it by its content: .jsonl for a JSON object on each line, .csv for fields with commas, .tsv for fields with tabs.",
  );
}

function requireJsonl(path: string): void {
  if (extname(path) === ".jsonl") return;
  throw new ProtocolError(
    "usage",
    `${path} does not end in .jsonl, but the output is JSON lines.`,
    "Give an output path that ends in .jsonl.",
  );
}

/** The error for a file that is one JSON document, with a command that needs only Node to convert it to lines. */
function jsonDocumentError(path: string): ProtocolError {
  const name = basename(path).replace(/\.jsonl?$/, "");
  const script = `JSON.parse(fs.readFileSync(0)).map((row) => JSON.stringify(row)).join("\\n")`;
  return new ProtocolError(
    "usage",
    `${path} is one JSON document, but one JSON object per line is needed.`,
    `Split it into lines, then convert that file: node -p '${script}' < ${path} > ${name}-lines.jsonl`,
  );
}

function noRowsError(path: string): ProtocolError {
  return new ProtocolError(
    "dataset-invalid",
    `There are no rows to write: ${path} has none, or offset and limit leave none.`,
    "Nothing was written. Give a file with rows, or another offset and limit.",
  );
}

function pick(row: SourceRow, fields: FieldSources, path: string): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([field, source]) => {
      const value = row.get(source);
      if (value === undefined) throw invalidRowError(path, row.line, `The row has no ${source}.`);
      return [field, value];
    }),
  );
}

async function* readSource(path: string, headerless: boolean): AsyncGenerator<SourceRow> {
  const lines = readLines(path);
  switch (extname(path)) {
    case ".jsonl":
      return yield* jsonRecords(path, lines);
    case ".csv":
      return yield* columnRecords(path, readCsv(lines), headerless);
    case ".tsv":
      return yield* columnRecords(path, tabRecords(lines), headerless);
  }
}

async function* jsonRecords(path: string, lines: AsyncIterable<Line>): AsyncGenerator<SourceRow> {
  for await (const { line, text } of lines) {
    if (text.trim() === "") continue;
    if (text.trimStart().startsWith("[")) throw jsonDocumentError(path);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw invalidRowError(path, line, "The line is not JSON.");
    }
    const record = Object(value) as Record<string, unknown>;
    yield { line, get: (source) => (Object.hasOwn(record, source) ? record[source] : undefined) };
  }
}

interface ColumnRecord {
  readonly line: number;
  readonly fields: readonly string[];
  readonly problem?: string;
}

async function* tabRecords(lines: AsyncIterable<Line>): AsyncGenerator<ColumnRecord> {
  for await (const { line, text, problem } of lines) {
    yield { line, fields: text.replace(/\r$/, "").split("\t"), ...(problem && { problem }) };
  }
}

async function* columnRecords(
  path: string,
  records: AsyncIterable<ColumnRecord>,
  headerless: boolean,
): AsyncGenerator<SourceRow> {
  let header: readonly string[] | undefined;
  for await (const { line, fields, problem } of records) {
    if (problem) throw invalidRowError(path, line, `The row cannot be read (${problem}).`);
    if (fields.length < 2 && fields.join("").trim() === "") continue;
    if (!headerless && !header) {
      header = fields;
      continue;
    }
    const column = (source: string | number) =>
      typeof source === "number" ? source : header!.indexOf(source);
    yield { line, get: (source) => fields[column(source)] };
  }
}

function invalidRowError(path: string, line: number, message: string): ProtocolError {
  return new ProtocolError(
    "dataset-invalid",
    `${path}:${line}: ${message}`,
    "Correct the row, or use the file's names of the fields.",
  );
}
