import type {
  Content,
  DatasetRow,
  Message,
  PreferenceRow,
  UnpairedRow,
} from "../formats/DatasetRow.ts";
import type { Json } from "../jinja/json.ts";
import { createChatTemplate, tokenText } from "../template/createChatTemplate.ts";
import {
  type Conversation,
  createConversationReader,
  type Turn,
} from "../template/readConversation.ts";
import { createTokenCounter, type EncodedText, type TokenCounter } from "./createTokenCounter.ts";
import { onFirstUse, requireEndToken, type TokenizerDocument } from "./TokenizerDocument.ts";
import type { TokenizerJson } from "./TokenizerJson.ts";

/** The tokens of a text, and which of them are answers. */
export interface EncodedRow {
  /** As spelt in the vocabulary, before truncation. */
  readonly tokens: readonly string[];
  /** Whether each token is part of an answer; undefined if the row has no prompt. */
  readonly answers: readonly boolean[] | undefined;
  /** Number of answers that are not learned, because the chat template rewrites them. */
  readonly hidden: number;
  /** Why no answer can be located. */
  readonly unlocated?: string;
  /** Whether messages have names that the chat template leaves out. */
  readonly dropsNames?: boolean;
}

/** Rows that are text. */
export type TextRow = Extract<
  DatasetRow,
  { format: "messages" | "text" | "prompt" | "instruction" } | PreferenceRow | UnpairedRow
>;

export interface RowReader {
  readonly counter: TokenCounter;
  /**
   * The tokens of a row of a causal language model: one text, or those of the preferred and the rejected answer.
   * @throws TemplateRefusalError if the chat template refuses the messages.
   */
  read(row: TextRow): readonly EncodedRow[];
}

/** The chat template refuses the messages of a row. */
export class TemplateRefusalError extends Error {
  override readonly name = "TemplateRefusalError";

  constructor(reason: string, options?: ErrorOptions) {
    super(`The chat template refuses the messages (${reason}).`, options);
  }
}

/** One text of a row: whole, after a prompt, or a conversation. */
type RowText = { readonly text: string; readonly prompt?: string } | ChatText;

interface ChatText {
  readonly messages: readonly Message[];
  readonly given: number;
  readonly tools: readonly Json[] | undefined;
}

/**
 * Creates a reader of rows for a model.
 * @throws ProtocolError "usage" if the tokenizer does not allow exact counts; and as soon as a row needs it, if the model
 * has no chat template or no end token.
 */
export function createRowReader(document: TokenizerDocument): RowReader {
  const tokenizer = document.tokenizer as unknown as TokenizerJson;
  const counter = createTokenCounter(tokenizer);
  const config = document.tokenizerConfig;
  const end = onFirstUse(() => requireEndToken(config, counter));
  const readConversation = onFirstUse(() =>
    createConversationReader(createChatTemplate(config), {
      end: tokenText(config.eos_token),
      control: controlTokens(tokenizer),
    }),
  );
  const converse = ({ messages, ...options }: ChatText): Conversation => {
    const read = readConversation();
    try {
      return read(messages, options);
    } catch (error) {
      throw new TemplateRefusalError((error as Error).message, { cause: error });
    }
  };
  const leading = (text: string) =>
    counter.leadingTokens.filter((token) => !text.startsWith(token));

  const encode = (row: RowText): EncodedRow => {
    if ("messages" in row) return encodeConversation(counter, converse(row));
    const { text, prompt } = row;
    const before = leading(prompt ?? text);
    if (prompt === undefined) {
      return { tokens: [...before, ...counter.tokens(text), end()], answers: undefined, hidden: 0 };
    }
    const { given, tokens } = encodePrompt(counter, prompt, text);
    const all = [...before, ...tokens, end()];
    const answers = all.map((_, place) => place >= before.length + given);
    return { tokens: all, answers, hidden: 0 };
  };
  return {
    counter,
    read: (row) => textsOf(row).map(encode),
  };
}

/** The special tokens, which have a meaning of their own, in the order of their ids. */
function controlTokens({ added_tokens: added = [] }: TokenizerJson): string[] {
  return added
    .filter(({ special, content }) => special && content !== "")
    .toSorted((a, b) => a.id - b.id)
    .map(({ content }) => content);
}

function textsOf(row: TextRow): readonly RowText[] {
  const { tools } = row as { readonly tools?: readonly Json[] };
  const after = (prompt: Content, answer: Content): RowText =>
    typeof prompt === "string"
      ? { prompt, text: prompt + (answer as string) }
      : {
          messages: [...prompt, ...(answer as readonly Message[])],
          given: prompt.length,
          tools,
        };
  switch (row.format) {
    case "text":
      return [{ text: row.text }];
    case "prompt":
    case "instruction":
    case "unpaired":
      return [after(row.prompt, row.completion)];
    case "messages":
      return [{ messages: row.messages, given: 0, tools }];
    case "preference":
    case "preferred_output":
      return [after(row.prompt, row.chosen), after(row.prompt, row.rejected)];
  }
}

/**
 * Encodes prompt and completion together, unless the prompt has other tokens alone: the model is given the prompt alone,
 * so its tokens have to be those.
 */
function encodePrompt(
  counter: TokenCounter,
  prompt: string,
  text: string,
): { given: number; tokens: readonly string[] } {
  const asked = counter.tokens(prompt);
  const together = counter.tokens(text);
  const isSame =
    together.length > asked.length && asked.every((token, place) => token === together[place]);
  const tokens = isSame ? together : [...asked, ...counter.tokens(text.slice(prompt.length))];
  return { given: asked.length, tokens };
}

/** A token is part of an answer if part of it is: the model has to predict it. */
function encodeConversation(
  counter: TokenCounter,
  { text, turns, cuts, hidden, unlocated, dropsNames }: Conversation,
): EncodedRow {
  const tokens: string[] = [];
  const answers: boolean[] = [];
  let begin = 0;
  for (const piece of piecesOf(text, cuts)) {
    const encoded = counter.encode(piece);
    const inPiece = rangesIn(turns, begin, piece.length);
    for (const token of encoded.tokens) tokens.push(token);
    for (const answer of answersIn(counter, piece, encoded, inPiece)) answers.push(answer);
    begin += piece.length;
  }
  return { tokens, answers, hidden, dropsNames, ...(unlocated !== undefined && { unlocated }) };
}

/** The parts of turns in a piece of the text, in its terms. */
function rangesIn(turns: readonly Range[], start: number, length: number): readonly Range[] {
  const clamp = (place: number) => Math.max(0, Math.min(length, place - start));
  return turns
    .map(({ begin, end }) => ({ begin: clamp(begin), end: clamp(end) }))
    .filter(({ begin, end }) => begin < end);
}

/** The parts of a text between cuts. */
function piecesOf(text: string, cuts: readonly number[]): readonly string[] {
  return [0, ...cuts].map((begin, index) => text.slice(begin, cuts[index]));
}

type Range = Pick<Turn, "begin" | "end">;

function answersIn(
  counter: TokenCounter,
  text: string,
  encoded: EncodedText,
  turns: readonly Range[],
): boolean[] {
  const ends = encoded.ends();
  if (ends) return answersBy(ends, turns);
  const normalized = normalizeTurns(counter, text, turns);
  const others = normalized && encoded.ends(normalized.text);
  return others
    ? answersBy(others, normalized.turns)
    : estimateAnswers(counter, text, encoded.tokens.length, turns);
}

function answersBy(ends: readonly number[], turns: readonly Range[]): boolean[] {
  let [previous, next] = [0, 0];
  return ends.map((end) => {
    // All tokens of one character share it.
    const begin = end > previous ? previous : end - 1;
    previous = end;
    while (next < turns.length && turns[next]!.end <= begin) next += 1;
    return next < turns.length && turns[next]!.begin < end;
  });
}

/** A text as the tokenizer normalizes it, with the turns in it; undefined if it joins characters across their edges. */
function normalizeTurns(
  counter: TokenCounter,
  text: string,
  turns: readonly Range[],
): { text: string; turns: readonly Range[] } | undefined {
  let [place, spelt] = [0, ""];
  const moveTo = (end: number): number => {
    spelt += counter.normalize(text.slice(place, end));
    place = end;
    return spelt.length;
  };
  const moved = turns.map(({ begin, end }) => ({ begin: moveTo(begin), end: moveTo(end) }));
  moveTo(text.length);
  return spelt === counter.normalize(text) ? { text: spelt, turns: moved } : undefined;
}

/** For a text whose tokens are not its characters: right to within one token at the edges of turns. */
function estimateAnswers(
  counter: TokenCounter,
  text: string,
  tokens: number,
  turns: readonly Range[],
): boolean[] {
  const answers = Array.from({ length: tokens }, () => false);
  let [place, index] = [0, 0];
  const skipTo = (end: number): [from: number, until: number] => {
    const from = index;
    index = Math.min(tokens, index + counter.count(text.slice(place, end)));
    place = end;
    return [from, index];
  };
  for (const { begin, end } of turns) {
    skipTo(begin);
    answers.fill(true, ...skipTo(end));
  }
  return answers;
}
