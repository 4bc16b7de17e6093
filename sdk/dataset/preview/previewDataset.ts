import { ProtocolError } from "../../errors.ts";
import { scanRows } from "../checking/scanRows.ts";
import { foreignError } from "../foreign/foreignError.ts";
import type { DatasetKind, DatasetRow } from "../formats/DatasetRow.ts";
import { placeOf, problem } from "../formats/problem.ts";
import type { Problem } from "../formats/rules.ts";
import type { ScannedRow } from "../formats/ScannedRow.ts";
import type { RowTreatment } from "../tokenizer/maskRow.ts";
import type { TokenizerDocument } from "../tokenizer/TokenizerDocument.ts";
import { vocabularySize } from "../tokenizer/vocabularySize.ts";
import { createRowPreviewer, type RowContent } from "./createRowPreviewer.ts";
import type { PreviewRow } from "./PreviewRow.ts";

/** Options of previewDataset. */
export interface PreviewOptions extends RowTreatment {
  readonly kind: DatasetKind;
  /** The model's tokenizer; not needed for images. */
  readonly tokenizer?: TokenizerDocument;
  /** Maximum number of rows, at least 1; default: 3. */
  readonly rows?: number;
  /** Line of the first row, number of the row in a table or of the entry in an archive; default: 1. */
  readonly from?: number;
}

const DEFAULT_ROWS = 3;

/**
 * Shows rows as the trainer gives them to the model: their tokens, which of them are learned, and which are cut. A row
 * that cannot be read has its problems instead, and the next ones follow.
 * @throws ProtocolError "dataset-invalid" if the file is in another format or the model has no chat template for its
 * messages, "usage" if it cannot be read, or if the tokenizer is missing or does not allow exact counts.
 * @example
 * for await (const { line, texts } of previewDataset("capitals.jsonl", { kind: "causal-lm", tokenizer })) {
 *   const learned = texts[0]?.tokens.filter((token) => token.learned) ?? [];
 *   console.log(line, learned.map(({ text }) => text).join(""));
 * }
 */
export async function* previewDataset(
  path: string,
  options: PreviewOptions,
): AsyncGenerator<PreviewRow> {
  const { kind, tokenizer, rows = DEFAULT_ROWS, from = 1, ...treatment } = options;
  const preview = createRowPreviewer(requireTokenizer(kind, tokenizer), treatment);
  const vocabulary = tokenizer && vocabularySize(tokenizer.tokenizer);
  let last: ScannedRow | undefined;
  let shown = 0;
  for await (const scanned of scanRows(path, { kind, ...(vocabulary && { vocabulary }) })) {
    const error = firstError(scanned);
    if (error?.foreign) throw foreignError(path, error.foreign);
    last = scanned;
    if (scanned.line < from || !(scanned.row || error)) continue;
    yield show(path, scanned, preview);
    shown += 1;
    if (shown === rows) return;
  }
  // What is wrong with the file as a whole is at its first line.
  if (shown === 0 && last && firstError(last)) yield show(path, last, preview);
}

function requireTokenizer(
  kind: DatasetKind,
  tokenizer: TokenizerDocument | undefined,
): TokenizerDocument | undefined {
  if (tokenizer || kind === "image-classification") return tokenizer;
  throw new ProtocolError(
    "usage",
    "The rows are shown as tokens, but the model's tokenizer is not given.",
    "Give the tokenizer that the provider serves for the model.",
  );
}

function firstError({ problems }: ScannedRow): Problem | undefined {
  return problems.find(({ severity }) => severity === "error");
}

function show(
  path: string,
  scanned: ScannedRow,
  preview: (row: DatasetRow) => RowContent,
): PreviewRow {
  const place = placeOf(scanned);
  if (!scanned.row) return { ...place, texts: [], problems: scanned.problems };
  const { findings, ...content } = preview(scanned.row);
  const found = findings.map((finding) => problem(path, place, finding));
  const { format } = scanned.row;
  return { ...place, format, ...content, problems: [...scanned.problems, ...found] };
}
