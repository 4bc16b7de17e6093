import { type FindMatches, findByTable, findCharacters, findMatches } from "./findMatches.ts";
import { type PreTokenizerConfig, type SplitBehavior, unsupported } from "./TokenizerJson.ts";
import { PUNCTUATION, WHITE_SPACE } from "./unicode.ts";

/** Splits normalized text into pieces that are encoded independently; `first`: the text starts its row. */
export type PreTokenize = (text: string, first: boolean) => string[];

const GPT2_WORDS = {
  Regex: "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
};
const WORDS =
  /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu;

/** Creates the pre-tokenizer of a tokenizer.json. Pieces are never empty. */
export function createPreTokenizer(config: PreTokenizerConfig | null | undefined): PreTokenize {
  if (!config) return (text) => [text];
  switch (config.type) {
    case "Sequence":
      return inSequence(config.pretokenizers.map(createPreTokenizer));
    case "BertPreTokenizer":
      return inSequence([
        splitBy(findCharacters(WHITE_SPACE), "Removed"),
        splitBy(findCharacters(PUNCTUATION), "Isolated"),
      ]);
    case "Whitespace":
      return splitBy(findByTable(WORDS), "Removed", true);
    case "WhitespaceSplit":
      return splitBy(findCharacters(WHITE_SPACE), "Removed");
    case "Punctuation":
      return splitBy(findCharacters(PUNCTUATION), config.behavior ?? "Isolated");
    case "Digits":
      return splitBy(
        findCharacters(/\p{N}/gu),
        config.individual_digits ? "Isolated" : "Contiguous",
      );
    case "Split":
      return splitBy(findMatches(config.pattern), config.behavior, config.invert);
    case "ByteLevel":
      return byteLevel(config);
    case "Metaspace":
      return metaspace(config);
    default:
      throw unsupported(`the pre-tokenizer ${(config as { type: unknown }).type}`);
  }
}

function inSequence(steps: readonly PreTokenize[]): PreTokenize {
  return (text, first) =>
    steps.reduce<string[]>(
      (pieces, step) => pieces.flatMap((piece, index) => step(piece, first && index === 0)),
      [text],
    );
}

function splitBy(find: FindMatches, behavior: SplitBehavior, invert = false): PreTokenize {
  return (text) => {
    const spans: Span[] = [];
    let from = 0;
    for (const [start, end] of find(text)) {
      if (from < start) spans.push({ start: from, end: start, match: invert });
      if (start < end) spans.push({ start, end, match: !invert });
      from = end;
    }
    if (from < text.length) spans.push({ start: from, end: text.length, match: invert });
    return merge(spans, behavior).map(({ start, end }) => text.slice(start, end));
  };
}

interface Span {
  readonly start: number;
  readonly end: number;
  readonly match: boolean;
}

function merge(spans: readonly Span[], behavior: SplitBehavior): readonly Span[] {
  if (behavior === "Isolated") return spans;
  if (behavior === "Removed") return spans.filter(({ match }) => !match);
  const merged: Span[] = [];
  const ordered = behavior === "MergedWithNext" ? spans.toReversed() : spans;
  let previousMatch: boolean | undefined;
  for (const span of ordered) {
    const joins =
      behavior === "Contiguous" ? span.match === previousMatch : span.match && !previousMatch;
    const last = merged.at(-1);
    if (joins && last) {
      merged[merged.length - 1] = {
        start: Math.min(last.start, span.start),
        end: Math.max(last.end, span.end),
        match: span.match,
      };
    } else {
      merged.push(span);
    }
    previousMatch = span.match;
  }
  return behavior === "MergedWithNext" ? merged.toReversed() : merged;
}

function byteLevel(config: PreTokenizerConfig & { type: "ByteLevel" }): PreTokenize {
  const split: PreTokenize =
    config.use_regex === false ? (text) => [text] : splitBy(findMatches(GPT2_WORDS), "Isolated");
  return (text, first) => {
    const spaced = config.add_prefix_space && !text.startsWith(" ") ? ` ${text}` : text;
    return split(spaced, first).map(toByteCharacters);
  };
}

/** GPT-2's alphabet: one printable character for each byte. */
export const BYTE_CHARACTERS: readonly string[] = (() => {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let unprintable = 0;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(printable(byte) ? byte : 256 + unprintable++),
  );
})();

/** Words of ASCII, which stand for themselves, after at most one space. */
const PLAIN = /^ ?[!-~]+$/;
const SPACE = BYTE_CHARACTERS[0x20]!;

function toByteCharacters(text: string): string {
  if (PLAIN.test(text)) return text.startsWith(" ") ? SPACE + text.slice(1) : text;
  let result = "";
  for (const byte of Buffer.from(text)) result += BYTE_CHARACTERS[byte];
  return result;
}

function metaspace(config: PreTokenizerConfig & { type: "Metaspace" }): PreTokenize {
  const { replacement, prepend_scheme = "always" } = config;
  const words = splitBy(findMatches({ String: replacement }), "MergedWithNext");
  return (text, first) => {
    let replaced = text.replaceAll(" ", () => replacement);
    const prepend = prepend_scheme === "always" || (prepend_scheme === "first" && first);
    if (prepend && !replaced.startsWith(replacement)) replaced = replacement + replaced;
    return config.split === false ? [replaced] : words(replaced, first);
  };
}
