import { stat } from "node:fs/promises";
import { ProtocolError } from "../../errors.ts";
import { countQuestion, openMemory, tokenizerDigest } from "../checking/memory.ts";
import { requireValid } from "../checking/requireValid.ts";
import { scanRows } from "../checking/scanRows.ts";
import type { DatasetKind, DatasetRow } from "../formats/DatasetRow.ts";
import { RULES } from "../formats/rules.ts";
import type { ScannedRow } from "../formats/ScannedRow.ts";
import type { RowMeasure } from "../tokenizer/measureRow.ts";
import { type MeasuredRow, measureRows } from "../tokenizer/measureThreads.ts";
import type { TokenizerDocument } from "../tokenizer/TokenizerDocument.ts";
import { vocabularySize } from "../tokenizer/vocabularySize.ts";

/** The size of a dataset, for its price. */
export interface DatasetCount {
  readonly rows: number;
  readonly format: DatasetRow["format"];
  /** Size of the file in bytes. */
  readonly bytes: number;
  /** In the service's unit: bytes of the file, or tokens of all rows before truncation; an image is one token. */
  readonly dataSize: bigint;
}

/** Options of countDataset. */
export interface CountOptions {
  readonly kind: DatasetKind;
  /** What the provider charges for. */
  readonly unit: "byte" | "token";
  /** The model's tokenizer; needed for the unit "token", unless the model takes images. */
  readonly tokenizer?: TokenizerDocument;
  /** A folder that remembers what was found about large datasets, so that they are not read again. */
  readonly memory?: string;
}

/**
 * Measures a dataset in the service's unit, with the same result as the trainer.
 * @throws ProtocolError "dataset-invalid" for the first error of the dataset, "usage" if the tokenizer is missing or
 * does not allow exact counts.
 * @example
 * const { dataSize } = await countDataset("capitals.jsonl", {
 *   kind: "causal-lm",
 *   unit: "token",
 *   tokenizer,
 * });
 */
export async function countDataset(path: string, options: CountOptions): Promise<DatasetCount> {
  const { kind, unit, tokenizer, memory: folder } = options;
  const memory = unit === "token" && tokenizer ? await openMemory(folder, path) : undefined;
  const question = countQuestion(kind, tokenizer && tokenizerDigest(tokenizer));
  const known = (await memory?.get(question)) as Remembered | undefined;
  if (known) {
    const { size } = await stat(path);
    const { rows, format, tokens } = known;
    return { rows, format, bytes: size, dataSize: BigInt(tokens) };
  }
  const counted = await readCount(path, options);
  const { rows, format, dataSize } = counted;
  const found: Remembered = { rows, format, tokens: Number(dataSize) };
  await memory?.put(question, found);
  return counted;
}

type Remembered = Pick<DatasetCount, "rows" | "format"> & { readonly tokens: number };

async function readCount(path: string, options: CountOptions): Promise<DatasetCount> {
  const { kind, unit, tokenizer } = options;
  const vocabulary = tokenizer && vocabularySize(tokenizer.tokenizer);
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  const all = requireValid(path, scanRows(path, { kind, ...(vocabulary && { vocabulary }) }));
  const rows = { count: 0, tokens: 0 };
  let format: DatasetRow["format"] | undefined;
  const measured = unit === "token" ? measureAs(options, all, size) : withoutMeasure(all);
  for await (const { scanned, measure } of measured) {
    rows.count += 1;
    format ??= scanned.row!.format;
    rows.tokens += measure ? tokensOf(path, scanned, measure) : 0;
  }
  const dataSize = BigInt(unit === "token" ? rows.tokens : size);
  // A dataset without rows is not valid.
  return { rows: rows.count, format: format!, bytes: size, dataSize };
}

async function* withoutMeasure(rows: AsyncIterable<ScannedRow>): AsyncGenerator<MeasuredRow> {
  for await (const scanned of rows) yield { scanned, measure: undefined };
}

/** The rows with their tokens; an image is one. What is learned of them does not matter. */
async function* measureAs(
  { kind, tokenizer }: CountOptions,
  rows: AsyncIterable<ScannedRow>,
  bytes: number,
): AsyncGenerator<MeasuredRow> {
  if (kind === "image-classification") {
    for await (const scanned of rows) yield { scanned, measure: ONE_TOKEN };
    return;
  }
  if (!tokenizer) {
    throw new ProtocolError(
      "usage",
      "The provider charges by the token, but the model's tokenizer is not given.",
      "Give the tokenizer that the provider serves for the model.",
    );
  }
  yield* measureRows(
    rows,
    { document: tokenizer, treatment: { trainOnInputs: true }, kind },
    bytes,
  );
}

const ONE_TOKEN: RowMeasure = { tokens: 1, kept: 1, learned: 1, findings: [] };

function tokensOf(path: string, { line }: ScannedRow, { tokens, findings }: RowMeasure): number {
  const refusal = findings.find(({ rule }) => rule === "template-refuses");
  if (!refusal) return tokens;
  const { hint } = RULES["template-refuses"];
  throw new ProtocolError("dataset-invalid", `${path}:${line}: ${refusal.message}`, hint);
}
