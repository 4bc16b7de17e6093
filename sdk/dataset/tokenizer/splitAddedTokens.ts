import type { AddedToken } from "./TokenizerJson.ts";

/** A section of text, or an added token found in it, with its text there, including white space that it takes along. */
type Section =
  | { readonly text: string; readonly first: boolean }
  | { readonly token: AddedToken; readonly written: string };

export type SplitAddedTokens = (text: string, first: boolean) => Section[];

const WORD_AT_END = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;
const WORD_AT_START = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
const SPACE_AT_END = /\p{White_Space}*$/u;
const SPACE_AT_START = /^\p{White_Space}*/u;

/**
 * Finds added tokens in a text: leftmost first, then the longest.
 * @param spelling How each token is spelt in the text that will be searched.
 */
export function splitAddedTokens(
  tokens: readonly AddedToken[],
  spelling: (content: string) => string,
): SplitAddedTokens {
  const bySpelling = new Map(tokens.map((token) => [spelling(token.content), token]));
  bySpelling.delete("");
  if (bySpelling.size === 0) return (text, first) => [{ text, first }];
  const longestFirst = [...bySpelling.keys()].sort((a, b) => b.length - a.length);
  const expression = new RegExp(longestFirst.map(escapeRegExp).join("|"), "gu");
  return (text, first) => split(text, first, expression, bySpelling);
}

function split(
  text: string,
  first: boolean,
  expression: RegExp,
  tokens: ReadonlyMap<string, AddedToken>,
): Section[] {
  const sections: Section[] = [];
  let from = 0;
  const addText = (end: number) => {
    if (from < end) sections.push({ text: text.slice(from, end), first: first && from === 0 });
  };
  for (const match of text.matchAll(expression)) {
    const token = tokens.get(match[0])!;
    let start = match.index;
    let end = start + match[0].length;
    if (token.single_word && touchesWord(text, start, end)) continue;
    if (token.lstrip) start = Math.max(from, text.slice(0, start).search(SPACE_AT_END));
    if (token.rstrip) end += SPACE_AT_START.exec(text.slice(end))![0].length;
    addText(start);
    sections.push({ token, written: text.slice(start, end) });
    from = end;
  }
  addText(text.length);
  return sections;
}

function touchesWord(text: string, start: number, end: number): boolean {
  return WORD_AT_END.test(text.slice(0, start)) || WORD_AT_START.test(text.slice(end));
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
