import { ProtocolError } from "../../errors.ts";
import { foreignError } from "../foreign/foreignError.ts";
import { readSample } from "../foreign/readSample.ts";
import { recognizeForeign } from "../foreign/recognizeForeign.ts";
import { contentOf } from "../formats/checkContent.ts";
import type { Fields } from "../formats/checkText.ts";
import { namedFormat } from "../formats/detectFormat.ts";
import { readStart } from "../formats/readStart.ts";
import { readColumnNames, readParquet } from "../tokens/readParquet.ts";
import { readJsonLines, readJsonPieces, readTable } from "./readRecords.ts";

/** A row of a file, and its line, or its number in a parquet file. */
export interface SourceRow {
  readonly line: number;
  readonly row: Fields;
}

/** A file to convert. */
export interface Source {
  readonly form: "array" | "objects" | "jsonl" | "csv" | "tsv" | "parquet";
  /** The first row; of a table, only its keys are known. */
  readonly first: Fields;
  /** @throws ProtocolError "dataset-invalid" for a row that cannot be read. */
  readonly rows: () => AsyncGenerator<SourceRow>;
}

/**
 * Opens a file by its content; its extension decides only if the content does not.
 * @param isHeaderless Whether a table has no header: its columns are then named "0", "1", …
 * @throws ProtocolError "usage" if it is no table and no JSON, "dataset-invalid" if it has to be unpacked or encoded
 * first.
 */
export async function openSource(path: string, isHeaderless: boolean): Promise<Source> {
  const start = await readStart(path);
  const content = contentOf(start);
  if (content?.is === "parquet") return openParquet(path);
  if (content && content.is !== "array") {
    const foreign = await recognizeForeign(path, start, "causal-lm");
    throw foreign ? foreignError(path, foreign) : unknownFormatError(path);
  }
  const sample = await readSample(start);
  if ("nested" in sample) throw foreignError(path, { what: "nested", key: sample.nested! });
  const form = sample.form === "unknown" ? namedForm(path) : sample.form;
  const first = "row" in sample ? sample.row : withKeys("columns" in sample ? sample.columns : []);
  return { form, first, rows: () => READERS[form](path, isHeaderless) };
}

const READERS: Readonly<
  Record<
    Exclude<Source["form"], "parquet">,
    (path: string, isHeaderless: boolean) => AsyncGenerator<SourceRow>
  >
> = {
  array: readJsonPieces,
  objects: readJsonPieces,
  jsonl: readJsonLines,
  csv: (path, isHeaderless) => readTable(path, "csv", isHeaderless),
  tsv: (path, isHeaderless) => readTable(path, "tsv", isHeaderless),
};

async function openParquet(path: string): Promise<Source> {
  const first = withKeys(await readColumnNames(path).catch((cause) => unreadable(path, cause)));
  async function* rows(): AsyncGenerator<SourceRow> {
    let line = 0;
    try {
      for await (const row of readParquet(path)) yield { line: ++line, row };
    } catch (cause) {
      unreadable(path, cause);
    }
  }
  return { form: "parquet", first, rows };
}

function unreadable(path: string, cause: unknown): never {
  throw new ProtocolError(
    "dataset-invalid",
    `${path} cannot be read as parquet (${(cause as Error).message}).`,
    "Write the file again as parquet.",
    { cause },
  );
}

const withKeys = (names: readonly string[]): Fields =>
  Object.fromEntries(names.map((name) => [name, null]));

function namedForm(path: string): "jsonl" | "csv" | "tsv" {
  const named = namedFormat(path);
  if (named === "jsonl" || named === "csv" || named === "tsv") return named;
  throw unknownFormatError(path);
}

const unknownFormatError = (path: string) =>
  new ProtocolError(
    "usage",
    `${path} is not JSON, not a table with commas or tabs, and not parquet.`,
    "Give a file with a JSON object on each line, a JSON array, or a table with a header; rename a table without a header to .csv or .tsv.",
  );
