import { stat } from "node:fs/promises";
import { ProtocolError } from "../../errors.ts";
import { readRows } from "../checking/readRows.ts";
import type { DatasetKind, DatasetRow } from "../formats/DatasetRow.ts";
import { RULES } from "../formats/rules.ts";
import {
  createRowReader,
  type RowReader,
  TemplateRefusalError,
  type TextRow,
} from "../tokenizer/readRow.ts";
import { onFirstUse, type TokenizerDocument } from "../tokenizer/TokenizerDocument.ts";
import { vocabularySize } from "../tokenizer/vocabularySize.ts";

/** The size of a dataset, for its price. */
export interface DatasetCount {
  readonly rows: number;
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
  const { kind, unit, tokenizer } = options;
  const count = unit === "token" ? createRowCounter(kind, tokenizer) : () => 0;
  const vocabulary = tokenizer && vocabularySize(tokenizer.tokenizer);
  let rows = 0;
  let tokens = 0;
  for await (const { line, row } of readRows(path, { kind, ...(vocabulary && { vocabulary }) })) {
    rows += 1;
    tokens += count(row, `${path}:${line}`);
  }
  const { size } = await stat(path);
  return { rows, bytes: size, dataSize: BigInt(unit === "token" ? tokens : size) };
}

type RowCounter = (row: DatasetRow, place: string) => number;

/** Tokens of a row before truncation. */
function createRowCounter(kind: DatasetKind, document: TokenizerDocument | undefined): RowCounter {
  if (kind === "image-classification") return () => 1;
  if (!document) {
    throw new ProtocolError(
      "usage",
      "The provider charges by the token, but the model's tokenizer is not given.",
      "Give the tokenizer that the provider serves for the model.",
    );
  }
  const reader = onFirstUse(() => createRowReader(document));
  return (row, place) => {
    switch (row.format) {
      case "label":
        return reader().counter.count(row.text) + reader().counter.specialTokens;
      case "tokens":
        return row.ids.length;
      case "image":
        return 1;
      default:
        return countAt(reader(), row, place);
    }
  };
}

function countAt(reader: RowReader, row: TextRow, place: string): number {
  try {
    return reader.count(row);
  } catch (error) {
    if (!(error instanceof TemplateRefusalError)) throw error;
    const { hint } = RULES["template-refuses"];
    throw new ProtocolError("dataset-invalid", `${place}: ${error.message}`, hint, {
      cause: error,
    });
  }
}
