import { basename } from "node:path";
import { recognizeForeign } from "../foreign/recognizeForeign.ts";
import { contentFinding, contentOf } from "../formats/checkContent.ts";
import { quote } from "../formats/checkText.ts";
import type { DatasetKind } from "../formats/DatasetRow.ts";
import { type DatasetFormat, FORMATS, namedFormat } from "../formats/detectFormat.ts";
import type { Finding } from "../formats/Finding.ts";
import { type ParsedRow, parseColumns, parseJsonRow, type TextKind } from "../formats/parseRow.ts";
import { problem } from "../formats/problem.ts";
import { readCsv } from "../formats/readCsv.ts";
import { type Line, readLines } from "../formats/readLines.ts";
import { readStart } from "../formats/readStart.ts";
import type { ScannedRow } from "../formats/ScannedRow.ts";
import { scanImages } from "../images/scanImages.ts";
import { scanTokens } from "../tokens/scanTokens.ts";

type PlacedRow = ParsedRow & Pick<ScannedRow, "line" | "source">;

/** Integer labels, in the only spelling that files may use. */
export const INTEGER_LABEL = /^(0|[1-9][0-9]{0,8})$/;

type TextReader = (lines: AsyncIterable<Line>, kind: TextKind) => AsyncGenerator<PlacedRow>;

const READERS: Partial<Record<DatasetFormat, TextReader>> = {
  jsonl: jsonRows,
  csv: csvRows,
  tsv: tsvRows,
};

const MESSAGES = {
  "not-utf-8": "The line is not valid UTF-8.",
  "line-too-long": "The row is longer than 16 MiB.",
  "bad-quotes": "The quotation marks of the row do not match.",
} as const;

/** What rows are read for. */
interface ScanOptions {
  readonly kind: DatasetKind;
  /** The model's token ids are below this number. */
  readonly vocabulary?: number;
}

/**
 * Streams the rows of a dataset, each with its problems. Rows and errors are exactly those of the trainer's reader; only
 * the rules about all labels together are left to checkDataset, and those that need an image decoder to the trainer.
 * Of a file in another format, only the first error is reported, with what the file is.
 * @throws ProtocolError "usage" if the file cannot be read.
 */
export async function* scanRows(path: string, options: ScanOptions): AsyncGenerator<ScannedRow> {
  const start = await readStart(path);
  const foreign = await recognizeForeign(path, start, options.kind);
  for await (const scanned of scan(path, start, options)) {
    const error = foreign && scanned.problems.find(({ severity }) => severity === "error");
    if (error) {
      yield { line: scanned.line, problems: [{ ...error, foreign }] };
      return;
    }
    yield scanned;
  }
}

async function* scan(
  path: string,
  start: Buffer,
  { kind, vocabulary }: ScanOptions,
): AsyncGenerator<ScannedRow> {
  const format = namedFormat(path);
  if (!format || !FORMATS[kind].includes(format)) {
    const endings = FORMATS[kind].map((each) => `.${each}`).join(", ");
    const message = `A ${kind} model is trained on ${endings} files, not on ${basename(path)}.`;
    yield { line: 1, problems: [problem(path, { line: 1 }, { rule: "file-type", message })] };
  } else if (kind === "image-classification") {
    yield* scanImages(path);
  } else if (format === "parquet") {
    yield* scanTokens(path, vocabulary);
  } else {
    const content = contentOf(start);
    if (content) yield { line: 1, problems: [problem(path, { line: 1 }, contentFinding(content))] };
    else yield* scanText(path, kind, READERS[format]!);
  }
}

async function* scanText(
  path: string,
  kind: TextKind,
  read: TextReader,
): AsyncGenerator<ScannedRow> {
  const at = (line: number, findings: readonly Finding[]) =>
    findings.map((finding) => problem(path, { line }, finding));
  const file = { hasMark: false };
  const compare = comparison();
  let empty = true;
  for await (const { line, row, source, findings, ...traits } of read(
    dropMark(readLines(path), file),
    kind,
  )) {
    empty = false;
    const differences = compare(traits);
    const problems = at(line, [...findings, ...differences]);
    const isValid = row && differences.length === 0;
    yield { line, ...(isValid && { row, ...(source !== undefined && { source }) }), problems };
  }
  const last: Finding[] = [];
  if (empty) last.push({ rule: "no-rows", message: "The dataset has no rows." });
  if (file.hasMark) {
    last.push({ rule: "byte-order-mark", message: "The file starts with a byte order mark." });
  }
  if (last.length > 0) yield { line: 1, problems: at(1, last) };
}

/** Compares each row with the first: all must have the same format and the same type of label. */
function comparison(): (row: Pick<ParsedRow, "format" | "labelType">) => Finding[] {
  let format: ParsedRow["format"];
  let labelType: ParsedRow["labelType"];
  return (row) => {
    format ??= row.format;
    labelType ??= row.labelType;
    if (row.format && row.format !== format) {
      const message = `The row has the format ${row.format}, but the first row has ${format}.`;
      return [{ rule: "mixed-formats", message }];
    }
    if (row.labelType && row.labelType !== labelType) {
      const message = `The label is a JSON ${row.labelType}, but the first label is a JSON ${labelType}.`;
      return [{ rule: "mixed-labels", message }];
    }
    return [];
  };
}

async function* jsonRows(lines: AsyncIterable<Line>, kind: TextKind): AsyncGenerator<PlacedRow> {
  for await (const line of filledLines(lines)) {
    if ("findings" in line) yield line;
    else yield { line: line.line, source: line.text, ...parseJsonRow(line.text, kind) };
  }
}

/** Tab-separated: quotation marks have no meaning, no field contains a tab, and the header may be missing. */
async function* tsvRows(lines: AsyncIterable<Line>): AsyncGenerator<PlacedRow> {
  let parse: ((fields: readonly string[]) => ParsedRow) | undefined;
  for await (const line of filledLines(lines)) {
    if ("findings" in line) {
      yield line;
      continue;
    }
    const fields = line.text.split("\t");
    const isHeader = !parse && !isHeaderless(fields);
    parse ??= isHeader ? (row) => parseFields(fields, row) : parseHeaderless;
    if (isHeader) yield* checkHeader(line.line, fields, "\t");
    else yield { line: line.line, ...parse(fields) };
  }
}

/** Whether the first row is not a header: it starts with an integer label. */
function isHeaderless(fields: readonly string[]): boolean {
  return fields.length === 2 && INTEGER_LABEL.test(fields[0]!);
}

/** Without a header, the label comes first and is an integer. */
function parseHeaderless(fields: readonly string[]): ParsedRow {
  const parsed = parseFields(["label", "text"], fields);
  if (parsed.row?.format !== "label" || INTEGER_LABEL.test(parsed.row.label)) return parsed;
  const message = `The label ${quote(parsed.row.label)} is not an integer from 0.`;
  return { format: "label", findings: [{ rule: "bad-label", message }] };
}

async function* csvRows(lines: AsyncIterable<Line>): AsyncGenerator<PlacedRow> {
  let columns: readonly string[] | undefined;
  let blank: number | undefined;
  for await (const { line, fields, problem: rule } of readCsv(lines)) {
    if (!rule && fields.length < 2 && isBlank(fields.join(""))) {
      blank ??= line;
      continue;
    }
    if (blank !== undefined) yield blankLine(blank);
    blank = undefined;
    if (rule) {
      yield { line, findings: [{ rule, message: MESSAGES[rule] }] };
    } else if (!columns) {
      columns = fields;
      yield* checkHeader(line, fields, ",");
    } else {
      yield { line, ...parseFields(columns, fields) };
    }
  }
}

function* checkHeader(
  line: number,
  fields: readonly string[],
  separator: "," | "\t",
): Generator<PlacedRow> {
  if (fields.toSorted().join("\n") === "label\ntext") return;
  const message = `The header is ${quote(fields.join(separator))}, not text and label.`;
  yield { line, findings: [{ rule: "bad-header", message }] };
}

/** If the header is invalid, the first column counts as the text, to find other problems. */
function parseFields(columns: readonly string[], fields: readonly string[]): ParsedRow {
  if (fields.length !== 2) {
    const count = `${fields.length} ${fields.length === 1 ? "column" : "columns"}`;
    return { findings: [{ rule: "column-count", message: `The row has ${count}, not 2.` }] };
  }
  const [first, second] = fields as [string, string];
  return columns[0] === "label" ? parseColumns(second, first) : parseColumns(first, second);
}

/**
 * Lines without their "\r"; blank lines at the end are dropped, other blank lines and unreadable lines become findings.
 */
async function* filledLines(
  lines: AsyncIterable<Line>,
): AsyncGenerator<Pick<Line, "line" | "text"> | PlacedRow> {
  let blank: number | undefined;
  for await (const { line, text, problem: rule } of lines) {
    if (!rule && isBlank(text)) {
      blank ??= line;
      continue;
    }
    if (blank !== undefined) yield blankLine(blank);
    blank = undefined;
    if (rule) yield { line, findings: [{ rule, message: MESSAGES[rule] }] };
    else yield { line, text: text.endsWith("\r") ? text.slice(0, -1) : text };
  }
}

/** One finding for each run of blank lines. */
function blankLine(line: number): PlacedRow {
  return { line, findings: [{ rule: "blank-line", message: "The line is blank." }] };
}

function isBlank(text: string): boolean {
  return /^[ \t\r]*$/.test(text);
}

async function* dropMark(
  lines: AsyncIterable<Line>,
  file: { hasMark: boolean },
): AsyncGenerator<Line> {
  for await (const line of lines) {
    file.hasMark ||= line.line === 1 && line.text.startsWith("\ufeff");
    yield line.line === 1 && file.hasMark ? { ...line, text: line.text.slice(1) } : line;
  }
}
