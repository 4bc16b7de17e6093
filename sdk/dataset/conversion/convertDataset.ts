import { createWriteStream } from "node:fs";
import { extname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ProtocolError } from "../../errors.ts";
import type { Conversion } from "../../ForeignFile.ts";
import { checkOutput } from "../../storage/files/checkOutput.ts";
import { writeAtomically } from "../../storage/files/publishFile.ts";
import type { Converter } from "./Converter.ts";
import { fromAlpaca } from "./fromAlpaca.ts";
import { fromColumns } from "./fromColumns.ts";
import { fromShareGpt } from "./fromShareGpt.ts";
import { openSource, type Source, type SourceRow } from "./openSource.ts";
import { type FieldSources, type Plan, planConversion } from "./planConversion.ts";
import { invalidRowError, RowError } from "./RowError.ts";

/** How rows are converted, and which of them. */
export interface ConvertOptions {
  /** The format of the rows; by default, it is recognized by the first one. "array" leaves rows as they are. */
  readonly from?: Conversion["from"];
  /** For "columns", if they are not to be recognized by their names. */
  readonly columns?: FieldSources;
  /** Rows to skip at the start. */
  readonly offset?: number;
  /** Maximum number of rows to write. */
  readonly limit?: number;
  /** Replace an existing file at the output path. */
  readonly force?: boolean;
}

/** The dataset that was written, and how. */
export type ConvertedDataset = Plan & {
  readonly rows: number;
  /** Keys or columns of the first row that were left out. */
  readonly dropped: readonly string[];
};

/**
 * Rewrites a file in another format as a .jsonl dataset: conversations of ShareGPT, rows of Alpaca, columns with other
 * names, for example `{prompt: "question", completion: "answer"}`, or `{label: 0, text: 1}` for a table without a
 * header. The file is JSON lines, a JSON array of any size, comma-separated, tab-separated or parquet, whatever its
 * name. Memory use does not depend on its size. The output appears only when complete; the input is never modified.
 * @throws ProtocolError "dataset-invalid" if a row lacks a field or cannot be read, if there are no rows, or if the file
 * has to be unpacked or saved as UTF-8 first; "usage" if the format is not recognized, or the output is refused by
 * checkOutput.
 * @example
 * const { rows } = await convertDataset("questions.csv", "questions.jsonl", {
 *   columns: { prompt: "question", completion: "answer" },
 * });
 */
export async function convertDataset(
  inputPath: string,
  outputPath: string,
  options: ConvertOptions = {},
): Promise<ConvertedDataset> {
  const { force = false, columns = {} } = options;
  requireJsonl(outputPath);
  const numbers = Object.values(columns).map((source) => typeof source === "number");
  const source = await openSource(inputPath, numbers.length > 0 && numbers.every(Boolean));
  const { path } = await checkOutput(outputPath, { force, inputs: [inputPath] });
  const plan = planConversion(inputPath, source, options);
  const rows = await writeAtomically(path, async (temporary) => {
    const lines = new ConvertedLines(inputPath, converterOf(plan), options);
    await pipeline(Readable.from(lines.of(source)), createWriteStream(temporary));
    if (lines.count === 0) throw noRowsError(inputPath);
    return lines;
  });
  return { rows: rows.count, dropped: rows.dropped, ...plan };
}

function requireJsonl(path: string): void {
  if (extname(path) === ".jsonl") return;
  throw new ProtocolError(
    "usage",
    `${path} does not end in .jsonl, but the output is JSON lines.`,
    "Give an output path that ends in .jsonl.",
  );
}

function converterOf(plan: Plan): Converter {
  switch (plan.from) {
    case "sharegpt":
      return fromShareGpt;
    case "alpaca":
      return fromAlpaca;
    case "columns":
      return fromColumns(plan.columns);
    case "array":
      return { reads: undefined, convert: (row) => row };
  }
}

/** The lines of the output. */
class ConvertedLines {
  /** Number of lines so far. */
  count = 0;
  /** Keys of the first row that the converter does not read. */
  dropped: readonly string[] = [];

  readonly #path: string;
  readonly #converter: Converter;
  readonly #offset: number;
  readonly #limit: number;

  constructor(path: string, converter: Converter, { offset, limit }: ConvertOptions) {
    this.#path = path;
    this.#converter = converter;
    this.#offset = offset ?? 0;
    this.#limit = limit ?? Number.POSITIVE_INFINITY;
  }

  async *of(source: Source): AsyncGenerator<string> {
    let index = 0;
    for await (const row of source.rows()) {
      if (this.count >= this.#limit) return;
      if (index++ < this.#offset) continue;
      if (this.count === 0) this.dropped = this.#unread(row);
      this.count += 1;
      yield `${JSON.stringify(this.#convert(row), asNumber)}\n`;
    }
  }

  #unread({ row }: SourceRow): string[] {
    const { reads } = this.#converter;
    return reads ? Object.keys(row).filter((key) => !reads.includes(key)) : [];
  }

  #convert({ line, row }: SourceRow) {
    try {
      return this.#converter.convert(row);
    } catch (error) {
      throw error instanceof RowError ? invalidRowError(this.#path, line, error.message) : error;
    }
  }
}

/** Integers of a parquet file are bigints. */
const asNumber = (_: string, value: unknown) => (typeof value === "bigint" ? Number(value) : value);

function noRowsError(path: string): ProtocolError {
  return new ProtocolError(
    "dataset-invalid",
    `There are no rows to write: ${path} has none, or offset and limit leave none.`,
    "Nothing was written. Give a file with rows, or another offset and limit.",
  );
}
