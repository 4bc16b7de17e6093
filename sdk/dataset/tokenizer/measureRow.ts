import type { DatasetRow } from "../formats/DatasetRow.ts";
import type { Finding } from "../formats/Finding.ts";
import {
  createRowReader,
  type EncodedRow,
  type RowReader,
  TemplateRefusalError,
  type TextRow,
} from "./readRow.ts";
import type { TokenizerDocument } from "./TokenizerDocument.ts";

/** The settings of a job that determine what is learned from rows. */
export interface RowTreatment {
  /** Maximum number of tokens of a row; default: no limit. */
  readonly maxLength?: number;
  /** Whether prompts and user turns count in the loss. */
  readonly trainOnInputs?: boolean;
}

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

type RequiredTreatment = Required<RowTreatment>;

/**
 * Creates a function that measures rows of a causal language model as the trainer will see them.
 * @throws ProtocolError "usage" if the tokenizer does not allow exact counts.
 */
export function createRowMeasurer(
  document: TokenizerDocument,
  { maxLength = Number.POSITIVE_INFINITY, trainOnInputs = false }: RowTreatment,
): (row: DatasetRow) => RowMeasure {
  const reader = createRowReader(document);
  const { counter } = reader;
  const treatment = { maxLength, trainOnInputs };
  return (row) => {
    switch (row.format) {
      case "tokens":
        return cut(row.counts, maxLength);
      case "label": {
        const tokens = counter.count(row.text) + counter.specialTokens;
        return { tokens, kept: Math.min(tokens, maxLength), learned: 1, findings: [] };
      }
      case "image":
        return { tokens: 1, kept: 1, learned: 1, findings: [] };
      default:
        return measureTexts(reader, row, treatment);
    }
  };
}

function measureTexts(reader: RowReader, row: TextRow, treatment: RequiredTreatment): RowMeasure {
  try {
    const encoded = reader.read(row);
    const isFixed = saysWhatIsLearned(row);
    const [first, second] = encoded.map((each) => measure(each, isFixed, treatment));
    if (!second) return first!;
    const both = sum(first!, second);
    if (!isSame(encoded, treatment.maxLength)) return both;
    return { ...both, findings: [...both.findings, sameAnswers(treatment.maxLength)] };
  } catch (error) {
    if (!(error instanceof TemplateRefusalError)) throw error;
    const finding: Finding = { rule: "template-refuses", message: error.message };
    return { tokens: 0, kept: 0, learned: 0, findings: [finding] };
  }
}

/** Whether only answers of the row are learned, whatever the settings. */
function saysWhatIsLearned(row: TextRow): boolean {
  if (row.format === "messages") return row.messages.some(({ weight }) => weight === 0);
  if (row.format === "prompt" || row.format === "instruction") {
    const messages = [row.prompt, row.completion].flat().filter((each) => typeof each === "object");
    return messages.some(({ weight }) => weight === 0);
  }
  return row.format !== "text";
}

function measure(
  { tokens, answers, hidden, unlocated }: EncodedRow,
  isFixed: boolean,
  { maxLength, trainOnInputs }: RequiredTreatment,
): RowMeasure {
  const isMasked = isFixed || !trainOnInputs;
  if (isMasked && unlocated !== undefined) throw new TemplateRefusalError(unlocated);
  const counts = (isMasked && answers) || tokens.map(() => true);
  const measured = cut(counts, maxLength);
  const needsPrompt = !trainOnInputs && answers?.every((answer) => answer);
  const findings = [
    ...(needsPrompt ? [NO_PROMPT] : []),
    ...measured.findings,
    ...(isMasked ? noteHidden(hidden) : []),
  ];
  return { ...measured, findings };
}

const NO_PROMPT: Finding = { rule: "no-prompt", message: "The row has no prompt to mask." };

/** Truncates a row; the first token is given, never predicted. */
function cut(counts: readonly boolean[], maxLength: number): RowMeasure {
  const tokens = counts.length;
  let learned = 0;
  for (let place = 1; place < Math.min(tokens, maxLength); place++) if (counts[place]) learned += 1;
  const findings = learned === 0 ? [nothingLearned(maxLength)] : [];
  return { tokens, kept: Math.min(tokens, maxLength), learned, findings };
}

function nothingLearned(maxLength: number): Finding {
  const kept = Number.isFinite(maxLength) ? ` in its first ${maxLength} tokens` : "";
  return { rule: "nothing-learned", message: `The row has nothing to learn from${kept}.` };
}

/** Whether both answers have the same tokens: truncation or the tokenizer can make them equal. */
function isSame([one, other]: readonly EncodedRow[], maxLength: number): boolean {
  const [first, second] = [one!.tokens.slice(0, maxLength), other!.tokens.slice(0, maxLength)];
  return first.length === second.length && first.every((token, n) => token === second[n]);
}

function sameAnswers(maxLength: number): Finding {
  const kept = Number.isFinite(maxLength) ? ` in the first ${maxLength} tokens of the row` : "";
  return { rule: "same-answers", message: `The two answers are the same${kept}.` };
}

function noteHidden(hidden: number): Finding[] {
  if (hidden === 0) return [];
  const what = hidden === 1 ? "an earlier answer" : `${hidden} earlier answers`;
  const message = `The chat template rewrites ${what}, so only the rest is learned.`;
  return [{ rule: "template-rewrites", message }];
}

function sum(one: RowMeasure, other: RowMeasure): RowMeasure {
  const rules = new Set(one.findings.map(({ rule }) => rule));
  return {
    tokens: one.tokens + other.tokens,
    kept: one.kept + other.kept,
    learned: one.learned + other.learned,
    findings: [...one.findings, ...other.findings.filter(({ rule }) => !rules.has(rule))],
  };
}
