import { SplitPreTokenizer } from "./library.ts";
import { type PatternConfig, unsupported } from "./TokenizerJson.ts";
import { NEWER_THAN_REGEX_TABLE } from "./unicode.ts";

/** Start (inclusive) and end (exclusive) of each match in a text, in UTF-16 units. */
export type FindMatches = (text: string) => [number, number][];

/** Noncharacters of one and of two UTF-16 units: unassigned in every Unicode version, permanently. */
const UNASSIGNED_SHORT = "\ufdd0";
const UNASSIGNED_LONG = "\u{1fffe}";

/**
 * Compiles a pattern of a tokenizer.json to a search with the same matches as the trainer's library.
 * @throws ProtocolError "usage" for syntax without an exact counterpart in JavaScript.
 */
export function findMatches(pattern: PatternConfig): FindMatches {
  if ("String" in pattern) return findCharacters(compile(pattern));
  const usesTable = /\\[pPwWbB]|\[:/.test(pattern.Regex);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is ASCII as a whole
  const namesCharacters = /[^\x00-\x7f]|\\[ux]/.test(pattern.Regex);
  if (usesTable && namesCharacters)
    throw unsupported("a pattern of both properties and characters");
  if (hasPossessiveQuantifier(pattern.Regex)) throw unsupported("a possessive quantifier");
  const expression = compile({ Regex: foldBeyondAscii(pattern.Regex) });
  return usesTable ? findByTable(expression) : findCharacters(expression);
}

/** A search that does not depend on the version of a Unicode table; `expression` has the flags g and u. */
export function findCharacters(expression: RegExp): FindMatches {
  return (text) =>
    Array.from(text.matchAll(expression), (match) => [match.index, match.index + match[0].length]);
}

/** A search by Unicode properties, in which characters that are newer than the trainer's table count as unassigned. */
export function findByTable(expression: RegExp): FindMatches {
  const find = findCharacters(expression);
  return (text) =>
    find(
      text.replace(NEWER_THAN_REGEX_TABLE, (character) =>
        character.length === 1 ? UNASSIGNED_SHORT : UNASSIGNED_LONG,
      ),
    );
}

/** Uses the library for its translation from Oniguruma's syntax to JavaScript's. */
function compile(pattern: PatternConfig): RegExp {
  return new SplitPreTokenizer({ pattern, behavior: "Isolated", invert: true }).pattern;
}

/** Case-insensitively, "s" also matches U+017F and "k" also U+212A; the translation folds only ASCII. */
function foldBeyondAscii(source: string): string {
  return source.replace(
    /\(\?i:([^()\\]*)\)/g,
    (_, body: string) => `(?i:${body.replace(/s/gi, "[s\\u017f]").replace(/k/gi, "[k\\u212a]")})`,
  );
}

/** `a++` does not backtrack; the translation would turn it into `a+`, which does. */
function hasPossessiveQuantifier(source: string): boolean {
  const withoutEscapes = source.replace(/\\[pPxu]\{[^}]*\}|\\./gs, "x");
  return /[+*?}]\+|\(\?>/.test(withoutEscapes.replace(/\[[^\]]*\]/g, "x"));
}
