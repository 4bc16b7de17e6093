import type { DatasetRow } from "../formats/DatasetRow.ts";
import type { Finding } from "../formats/Finding.ts";
import {
  isLearned,
  type Mask,
  maskRow,
  maskTokens,
  type RowTreatment,
} from "../tokenizer/maskRow.ts";
import { createRowReader, type RowReader } from "../tokenizer/readRow.ts";
import {
  createTokenReader,
  type ReadableToken,
  type TokenReader,
} from "../tokenizer/readTokens.ts";
import { onFirstUse, type TokenizerDocument } from "../tokenizer/TokenizerDocument.ts";
import type { PreviewRow, PreviewText, PreviewToken } from "./PreviewRow.ts";

/** What a row has in it. */
export type RowContent = Pick<PreviewRow, "texts" | "label" | "image"> & {
  readonly findings: readonly Finding[];
};

interface Readers {
  readonly rows: RowReader;
  readonly tokens: TokenReader;
}

/** Creates a function that shows what a model sees of a row. */
export function createRowPreviewer(
  document: TokenizerDocument | undefined,
  treatment: RowTreatment,
): (row: DatasetRow) => RowContent {
  const { maxLength = Number.POSITIVE_INFINITY } = treatment;
  const readers = onFirstUse(() => ({
    rows: createRowReader(document!),
    tokens: createTokenReader(document!),
  }));
  return (row) => {
    switch (row.format) {
      case "image": {
        const { label, width, height, bytes } = row;
        return { texts: [], label, image: { width, height, bytes }, findings: [] };
      }
      case "label": {
        const tokens = readLabelled(readers(), row.text, maxLength);
        return { texts: [{ tokens }], label: row.label, findings: [] };
      }
      case "tokens": {
        const mask = maskTokens(row.counts, maxLength);
        const tokens = row.ids.map((id) => readers().tokens.spell(id));
        return {
          texts: [{ tokens: readMasked(readers(), tokens, mask) }],
          findings: mask.findings,
        };
      }
      default: {
        const { texts, findings } = maskRow(readers().rows, row, treatment);
        const shown = texts.map((text) => readMasked(readers(), text.tokens, text));
        const label = row.format === "unpaired" && { label: String(row.desirable) };
        return { texts: nameAnswers(shown), ...label, findings };
      }
    }
  };
}

function nameAnswers(texts: readonly (readonly PreviewToken[])[]): PreviewText[] {
  const [preferred, rejected] = texts;
  if (!rejected) return texts.map((tokens) => ({ tokens }));
  return [
    { answer: "preferred", tokens: preferred! },
    { answer: "rejected", tokens: rejected },
  ];
}

function readMasked({ tokens: reader }: Readers, tokens: readonly string[], mask: Mask) {
  // A character across the cut is no character to the model.
  const kept = reader.read(tokens.slice(0, mask.kept));
  const cut = reader.read(tokens.slice(mask.kept));
  return [
    ...kept.map((token, place) => toPreview(token, { learned: isLearned(mask, place) })),
    ...cut.map((token) => toPreview(token, { cut: true })),
  ];
}

/** A text to classify is cut before the special tokens after it; its label is learned, not its tokens. */
function readLabelled({ rows, tokens: reader }: Readers, text: string, maxLength: number) {
  const { leadingTokens, trailingTokens } = rows.counter;
  const tokens = [...leadingTokens, ...rows.counter.tokens(text)];
  const kept = Math.max(0, maxLength - trailingTokens.length);
  return [
    ...reader
      .read([...tokens.slice(0, kept), ...trailingTokens])
      .map((token) => toPreview(token, {})),
    ...reader.read(tokens.slice(kept)).map((token) => toPreview(token, { cut: true })),
  ];
}

function toPreview(
  { text, id, special }: ReadableToken,
  { learned = false, cut = false }: { learned?: boolean; cut?: boolean },
): PreviewToken {
  return { text, ...(id !== undefined && { id }), learned, special, cut };
}
