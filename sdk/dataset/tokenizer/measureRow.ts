import type { Content, DatasetRow, Message, PreferenceRow } from "../formats/DatasetRow.ts";
import type { Finding } from "../formats/Finding.ts";
import { createTokenCounter, type TokenCounter } from "./createTokenCounter.ts";
import { readConversation } from "./readConversation.ts";
import { createChatRenderer, type RenderChat } from "./renderChat.ts";
import { endTokens, onFirstUse, type TokenizerDocument } from "./TokenizerDocument.ts";
import type { TokenizerJson } from "./TokenizerJson.ts";

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
  /** Kept tokens that count in the loss, for conversations to within one token per turn. */
  readonly learned: number;
  readonly findings: readonly Finding[];
}

/** Ranges of the tokens that count in the loss: [begin, end) in tokens. */
type Spans = readonly (readonly [number, number])[];

/**
 * Creates a function that measures rows of a causal language model as the trainer will see them.
 * @throws ProtocolError "usage" if the tokenizer does not allow exact counts.
 */
export function createRowMeasurer(
  document: TokenizerDocument,
  treatment: RowTreatment,
): (row: DatasetRow) => RowMeasure {
  const { maxLength = Number.POSITIVE_INFINITY, trainOnInputs = false } = treatment;
  const counter = createTokenCounter(document.tokenizer as unknown as TokenizerJson);
  const end = onFirstUse(() => endTokens(document.tokenizerConfig, counter));
  const render = onFirstUse(() => createChatRenderer(document.tokenizerConfig));
  const answer = (prompt: Content, completion: Content): RowMeasure => {
    if (typeof prompt === "string") {
      const asked = counter.count(prompt);
      const tokens = asked + counter.count(completion as string) + end();
      return cut(tokens, [[asked, tokens]], maxLength);
    }
    const messages = [...prompt, ...(completion as readonly Message[])];
    return measureChat(render(), counter, messages, { maxLength, given: prompt.length });
  };
  return (row) => {
    switch (row.format) {
      case "text": {
        const tokens = counter.count(row.text) + end();
        return cut(tokens, [[0, tokens]], maxLength);
      }
      case "prompt":
      case "instruction": {
        const measured = answer(row.prompt, row.completion);
        if (!trainOnInputs) return withPrompt(measured, counter.count(row.prompt) > 0);
        return cut(measured.tokens, [[0, measured.tokens]], maxLength);
      }
      case "messages":
        return measureChat(render(), counter, row.messages, { maxLength, trainOnInputs });
      case "preference":
      case "preferred_output": {
        const [chosen, rejected] = [row.chosen, row.rejected].map((one) => answer(row.prompt, one));
        const both = sum(chosen!, rejected!);
        const isSame = isSamePair(row, { maxLength, counter, render });
        return isSame ? { ...both, findings: [...both.findings, sameAnswers(maxLength)] } : both;
      }
      case "tokens":
        return measureIds(row.counts, maxLength);
      case "label": {
        const tokens = counter.count(row.text) + counter.specialTokens;
        return { tokens, kept: Math.min(tokens, maxLength), learned: 1, findings: [] };
      }
      case "image":
        return { tokens: 1, kept: 1, learned: 1, findings: [] };
    }
  };
}

/** Truncates a row; the first token is given, never predicted. */
function cut(tokens: number, spans: Spans, maxLength: number): RowMeasure {
  const learned = spans.reduce(
    (sum, [begin, end]) => sum + Math.max(0, Math.min(end, maxLength) - Math.max(begin, 1)),
    0,
  );
  const findings = learned === 0 ? [nothingLearned(maxLength)] : [];
  return { tokens, kept: Math.min(tokens, maxLength), learned, findings };
}

function nothingLearned(maxLength: number): Finding {
  const kept = Number.isFinite(maxLength) ? ` in its first ${maxLength} tokens` : "";
  return { rule: "nothing-learned", message: `The row has nothing to learn from${kept}.` };
}

/** Whether both answers have the same tokens: truncation or the tokenizer can make them equal. */
function isSamePair(
  { prompt, chosen, rejected }: PreferenceRow,
  {
    maxLength,
    counter,
    render,
  }: { maxLength: number; counter: TokenCounter; render: () => RenderChat },
): boolean {
  const see = (answer: Content): string[] => {
    const tokens =
      typeof prompt === "string"
        ? [...counter.tokens(prompt), ...counter.tokens(answer as string), "end"]
        : counter.tokens(render()([...prompt, ...(answer as readonly Message[])]));
    return tokens.slice(0, maxLength);
  };
  try {
    const [one, other] = [see(chosen), see(rejected)];
    return one.length === other.length && one.every((token, n) => token === other[n]);
  } catch {
    // A template that refuses the messages was already reported.
    return false;
  }
}

function sameAnswers(maxLength: number): Finding {
  const kept = Number.isFinite(maxLength) ? ` in the first ${maxLength} tokens of the row` : "";
  return { rule: "same-answers", message: `The two answers are the same${kept}.` };
}

function withPrompt(measure: RowMeasure, hasPrompt: boolean): RowMeasure {
  if (hasPrompt) return measure;
  const finding: Finding = { rule: "no-prompt", message: "The row has no prompt to mask." };
  return { ...measure, findings: [finding, ...measure.findings] };
}

function measureChat(
  render: RenderChat,
  counter: TokenCounter,
  messages: readonly Message[],
  options: { maxLength: number; given?: number; trainOnInputs?: boolean },
): RowMeasure {
  const { maxLength, given, trainOnInputs = false } = options;
  try {
    const { rendered, turns, hidden, altered } = readConversation(render, messages, given);
    const tokens = counter.count(rendered);
    const upTo = (place: number) => counter.count(rendered.slice(0, place));
    const spans = turns.map(([begin, end]) => [upTo(begin), Math.min(upTo(end), tokens)] as const);
    const measure = cut(tokens, trainOnInputs ? [[0, tokens]] : spans, maxLength);
    // Counting prefixes may be off by one token at the edge of a turn.
    const isClear = measure.learned > 0 || (spans[0]![0] > maxLength && !trainOnInputs);
    const clear = isClear ? measure : { ...measure, findings: [] };
    const notes = trainOnInputs ? [] : [...noteHidden(hidden), ...noteAltered(altered)];
    const noted = { ...clear, findings: [...clear.findings, ...notes] };
    return withPrompt(noted, trainOnInputs || !coversAll(turns, rendered.length));
  } catch (error) {
    const message = `The chat template refuses the messages (${(error as Error).message}).`;
    return { tokens: 0, kept: 0, learned: 0, findings: [{ rule: "template-refuses", message }] };
  }
}

function coversAll(turns: Spans, length: number): boolean {
  return (
    turns.every(([begin], n) => begin === (n === 0 ? 0 : turns[n - 1]![1])) &&
    turns.at(-1)![1] === length
  );
}

function noteHidden(hidden: number): Finding[] {
  if (hidden === 0) return [];
  const what = hidden === 1 ? "an earlier answer" : `${hidden} earlier answers`;
  const message = `The chat template rewrites ${what}, so only the rest is learned.`;
  return [{ rule: "template-rewrites", message }];
}

function noteAltered(altered: boolean): Finding[] {
  if (!altered) return [];
  const message = "The chat template changes or leaves out part of an answer.";
  return [{ rule: "template-alters", message }];
}

function measureIds(counts: readonly boolean[], maxLength: number): RowMeasure {
  const spans = counts.flatMap((counted, place) => (counted ? [[place, place + 1] as const] : []));
  return cut(counts.length, spans, maxLength);
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
