import {
  asyncBufferFromFile,
  type FileMetaData,
  parquetMetadataAsync,
  parquetScan,
  parquetSchema,
  type SchemaTree,
} from "hyparquet";
import { unreadableError } from "../../fileErrors.ts";
import type { Finding } from "../formats/Finding.ts";
import { problem } from "../formats/problem.ts";
import type { ScannedRow } from "../formats/ScannedRow.ts";
import { COMPRESSORS } from "./compressors.ts";
import { parseTokenRow, type TokenColumns } from "./parseTokenRow.ts";

/** Maximum number of values of one column in a row group, which is held in memory as a whole. */
const MAX_GROUP_VALUES = 2n ** 23n;
const COLUMNS = ["input_ids", "attention_mask", "labels"];
/** Maximum number of values per byte of the file, beyond SMALL values: runs of one value take no bytes. */
const MAX_EXPANSION = 100n;
const SMALL = 2n ** 24n;
const CODECS = ["UNCOMPRESSED", ...Object.keys(COMPRESSORS)];
const INTEGERS = /^U?INT_(8|16|32|64)$/;

/**
 * Streams the rows of a .parquet file of token ids, each with its problems; only one row group is in memory at a time.
 * @param vocabulary Ids must be below this number; default: any.
 * @throws ProtocolError "usage" if the file cannot be read.
 */
export async function* scanTokens(
  path: string,
  vocabulary: number = Number.POSITIVE_INFINITY,
): AsyncGenerator<ScannedRow> {
  let line = 0;
  try {
    for await (const columns of readRows(path)) {
      line += 1;
      const parsed = parseTokenRow(columns, vocabulary);
      if ("rule" in parsed) yield { line, problems: [problem(path, { line }, parsed)] };
      else yield { line, row: parsed, problems: [] };
    }
  } catch (error) {
    yield failure(path, error);
    return;
  }
  if (line === 0) {
    const finding: Finding = { rule: "no-rows", message: "The dataset has no rows." };
    yield { line: 1, problems: [problem(path, { line: 1 }, finding)] };
  }
}

/** A problem of the whole file. */
class FileFindingError extends Error {
  readonly finding: Finding;

  constructor(rule: Finding["rule"], message: string) {
    super(message);
    this.finding = { rule, message };
  }
}

function failure(path: string, error: unknown): ScannedRow {
  const { syscall, message } = error as NodeJS.ErrnoException;
  if (syscall !== undefined) throw unreadableError(path, error);
  const finding: Finding =
    error instanceof FileFindingError
      ? error.finding
      : { rule: "damaged-parquet", message: `The file cannot be read as parquet (${message}).` };
  return { line: 1, problems: [problem(path, { line: 1 }, finding)] };
}

async function* readRows(path: string): AsyncGenerator<TokenColumns> {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  const names = checkColumns(parquetSchema(metadata));
  checkGroups(metadata, file.byteLength);
  const scan = await parquetScan({
    file,
    metadata,
    columns: names,
    compressors: COMPRESSORS,
    useOffsetIndex: false,
  });
  for (const { rowStart, rowEnd } of scan.ranges) {
    const read = (column: string) => scan.readColumn({ column, rowStart, rowEnd });
    const columns = await Promise.all(names.map(async (name) => [name, await read(name)] as const));
    for (const [name, values] of columns) {
      if (values.length !== rowEnd - rowStart) throw new Error(`${name} lacks rows`);
    }
    for (let row = 0; row < rowEnd - rowStart; row++) {
      yield Object.fromEntries(
        columns.map(([name, values]) => [name, values[row]]),
      ) as TokenColumns;
    }
  }
}

/** The names of the columns, if they are valid for a dataset of tokens. */
function checkColumns({ children }: SchemaTree): string[] {
  const names = children.map(({ element }) => element.name);
  const isFit = names.includes("input_ids") && names.every((name) => COLUMNS.includes(name));
  if (!isFit || new Set(names).size < names.length) {
    const found = names.toSorted().join(", ") || "none";
    throw new FileFindingError("bad-columns", `The columns fit no format (found: ${found}).`);
  }
  const wrong = children.find((child) => !isIntegerList(child));
  if (wrong) {
    throw new FileFindingError("bad-columns", `${wrong.element.name} is not a list of integers.`);
  }
  return names;
}

function isIntegerList({ element, children }: SchemaTree): boolean {
  const [repeated] = children;
  if (element.converted_type !== "LIST" || children.length !== 1 || !repeated) return false;
  if (repeated.element.repetition_type !== "REPEATED" || repeated.children.length > 1) return false;
  const item = repeated.children[0] ?? repeated;
  const { type, converted_type: converted, logical_type: logical } = item.element;
  if (item.children.length > 0 || (type !== "INT32" && type !== "INT64")) return false;
  return logical ? logical.type === "INTEGER" : !converted || INTEGERS.test(converted);
}

/**
 * Checks the metadata before a row is read: the declared sizes must fit into memory and be plausible for the file's
 * size.
 */
function checkGroups({ row_groups: groups }: FileMetaData, size: number): void {
  let values = 0n;
  for (const { meta_data: column } of groups.flatMap(({ columns }) => columns)) {
    if (!column || !CODECS.includes(column.codec)) {
      throw new FileFindingError(
        "parquet-codec",
        `The file has an unsupported compression (${column?.codec}).`,
      );
    }
    if (column.num_values > MAX_GROUP_VALUES) {
      const most = MAX_GROUP_VALUES.toLocaleString("en");
      throw new FileFindingError(
        "row-group-too-large",
        `A row group has more than ${most} values.`,
      );
    }
    values += column.num_values;
  }
  const most = MAX_EXPANSION * BigInt(size);
  if (values > (most > SMALL ? most : SMALL)) {
    const message = `The file unpacks to more than ${MAX_EXPANSION} values for each of its bytes.`;
    throw new FileFindingError("parquet-too-large", message);
  }
}
