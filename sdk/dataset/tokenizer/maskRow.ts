import type { Finding } from "../formats/Finding.ts";
import { type EncodedRow, type RowReader, TemplateRefusalError, type TextRow } from "./readRow.ts";

/** The settings of a job that determine what is learned from rows. */
export interface RowTreatment {
  /** Maximum number of tokens of a row; default: no limit. */
  readonly maxLength?: number;
  /** Whether prompts and user turns count in the loss. */
  readonly trainOnInputs?: boolean;
}

/** What a job does with the tokens of a text. */
export interface Mask {
  /** Whether each token counts in the loss, before truncation. */
  readonly counts: readonly boolean[];
  /** Number of tokens after truncation. */
  readonly kept: number;
  /** Number of kept tokens that are learned. */
  readonly learned: number;
  readonly findings: readonly Finding[];
}

/** One text of a row, or one of its two answers. */
export interface MaskedText extends Mask {
  /** As spelt in the vocabulary, before truncation. */
  readonly tokens: readonly string[];
}

export interface MaskedRow {
  /** Empty if the chat template refuses the messages. */
  readonly texts: readonly MaskedText[];
  /** Those of the texts, and of the row as a whole. */
  readonly findings: readonly Finding[];
}

/** Whether a token is learned: the first one is given, never predicted. */
export function isLearned({ counts, kept }: Omit<Mask, "learned">, place: number): boolean {
  return place > 0 && place < kept && counts[place]!;
}

/** Truncates a text. */
export function maskTokens(counts: readonly boolean[], maxLength: number): Mask {
  const cut = { counts, kept: Math.min(counts.length, maxLength), findings: [] };
  let learned = 0;
  for (let place = 0; place < cut.kept; place++) if (isLearned(cut, place)) learned += 1;
  return { ...cut, learned, findings: learned === 0 ? [nothingLearned(maxLength)] : [] };
}

/** Reads a row of a causal language model as the trainer does: which tokens are kept, and which of them are learned. */
export function maskRow(
  reader: RowReader,
  row: TextRow,
  { maxLength = Number.POSITIVE_INFINITY, trainOnInputs = false }: RowTreatment,
): MaskedRow {
  try {
    const encoded = reader.read(row);
    const isFixed = saysWhatIsLearned(row);
    const texts = encoded.map((each) => mask(each, isFixed, { maxLength, trainOnInputs }));
    const findings = texts.flatMap((text) => text.findings);
    const isPair = encoded.length > 1;
    return {
      texts,
      findings: [
        ...firstOfEachRule(findings),
        ...(isPair && isSame(encoded, maxLength) ? [sameAnswers(maxLength)] : []),
      ],
    };
  } catch (error) {
    if (!(error instanceof TemplateRefusalError)) throw error;
    return { texts: [], findings: [{ rule: "template-refuses", message: error.message }] };
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

function mask(
  { tokens, answers, hidden, unlocated, dropsNames }: EncodedRow,
  isFixed: boolean,
  { maxLength, trainOnInputs }: Required<RowTreatment>,
): MaskedText {
  const isMasked = isFixed || !trainOnInputs;
  if (isMasked && unlocated !== undefined) throw new TemplateRefusalError(unlocated);
  const masked = maskTokens((isMasked && answers) || tokens.map(() => true), maxLength);
  const needsPrompt = !trainOnInputs && answers?.every((answer) => answer);
  const findings = [
    ...(needsPrompt ? [NO_PROMPT] : []),
    ...masked.findings,
    ...(isMasked ? noteHidden(hidden) : []),
    ...(dropsNames ? [NAME_IGNORED] : []),
  ];
  return { ...masked, tokens, findings };
}

const NO_PROMPT: Finding = { rule: "no-prompt", message: "The row has no prompt to mask." };

const NAME_IGNORED: Finding = {
  rule: "name-ignored",
  message: "The chat template writes no names, so those of messages are not learned.",
};

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

function firstOfEachRule(findings: readonly Finding[]): Finding[] {
  return [...Map.groupBy(findings, ({ rule }) => rule).values()].map(([first]) => first!);
}
