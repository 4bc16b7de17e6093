import type { DatasetRow } from "../formats/DatasetRow.ts";
import type { Finding } from "../formats/Finding.ts";
import { maskRow, maskTokens, type RowTreatment } from "./maskRow.ts";
import { createRowReader } from "./readRow.ts";
import type { TokenizerDocument } from "./TokenizerDocument.ts";

/** The size of a row, and how much of it is learned. */
export interface RowMeasure {
  /** Tokens before truncation, by which a price per token is multiplied. */
  readonly tokens: number;
  /** Tokens after truncation. */
  readonly kept: number;
  /** Kept tokens that count in the loss. */
  readonly learned: number;
  readonly findings: readonly Finding[];
}

/**
 * Creates a function that measures rows of a causal language model as the trainer will see them.
 * @throws ProtocolError "usage" if the tokenizer does not allow exact counts.
 */
export function createRowMeasurer(
  document: TokenizerDocument,
  treatment: RowTreatment,
): (row: DatasetRow) => RowMeasure {
  const reader = createRowReader(document);
  const { counter } = reader;
  const { maxLength = Number.POSITIVE_INFINITY } = treatment;
  return (row) => {
    switch (row.format) {
      case "tokens": {
        const { kept, learned, findings } = maskTokens(row.counts, maxLength);
        return { tokens: row.counts.length, kept, learned, findings };
      }
      case "label": {
        const tokens = counter.count(row.text) + counter.specialTokens;
        return { tokens, kept: Math.min(tokens, maxLength), learned: 1, findings: [] };
      }
      case "image":
        return { tokens: 1, kept: 1, learned: 1, findings: [] };
      default: {
        const { texts, findings } = maskRow(reader, row, treatment);
        const sum = { tokens: 0, kept: 0, learned: 0 };
        for (const { tokens, kept, learned } of texts) {
          sum.tokens += tokens.length;
          sum.kept += kept;
          sum.learned += learned;
        }
        return { ...sum, findings };
      }
    }
  };
}
