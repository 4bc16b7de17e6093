import { BPE, WordPiece } from "./library.ts";
import { createNormalizer } from "./normalize.ts";
import { createPreTokenizer } from "./preTokenize.ts";
import { splitAddedTokens } from "./splitAddedTokens.ts";
import {
  type ModelConfig,
  type PostProcessorConfig,
  type TokenizerJson,
  unsupported,
} from "./TokenizerJson.ts";
import { spellingOf, tokenEnds } from "./tokenEnds.ts";

/** The tokens of a text. */
export interface EncodedText {
  readonly tokens: readonly string[];
  /**
   * Where each token ends in the text, or in `spelt`, which the tokenizer makes of it, in UTF-16 units; undefined if the
   * tokens are another text, or have unknown characters.
   */
  ends(spelt?: string): number[] | undefined;
}

/** Counts tokens with one model's tokenizer. */
export interface TokenCounter {
  /** Tokens of a text without the tokenizer's special tokens. */
  count(text: string): number;
  /** These tokens, as spelt in the vocabulary. */
  tokens(text: string): string[];
  /** These tokens, with what is needed to find them in the text. */
  encode(text: string): EncodedText;
  /** A text as the tokenizer normalizes it. */
  normalize(text: string): string;
  /** Number of special tokens that the tokenizer adds to one text. */
  readonly specialTokens: number;
  /** Those of them that it puts before the text, as the model expects them at inference. */
  readonly leadingTokens: readonly string[];
  /** Those that it puts after the text. */
  readonly trailingTokens: readonly string[];
  /** Whether the vocabulary has this token. */
  has(token: string): boolean;
}

/**
 * Counts tokens exactly like the trainer's library, for the parts of the tokenizer.json format that are verified to
 * match.
 * @throws ProtocolError "usage" for any other part.
 * @example
 * const config = JSON.parse(await readFile("tokenizer.json", "utf8"));
 * const tokens = createTokenCounter(config).count("What is the capital of France?");
 */
export function createTokenCounter(config: TokenizerJson): TokenCounter {
  const normalize = createNormalizer(config.normalizer);
  const preTokenize = createPreTokenizer(config.pre_tokenizer);
  if (!config.model) throw unsupported("no model");
  const encodePiece = createModel(config.model);
  const added = config.added_tokens ?? [];
  const verbatim = splitAddedTokens(
    added.filter((token) => !isNormalized(token)),
    (content) => content,
  );
  const normalized = splitAddedTokens(added.filter(isNormalized), normalize);
  const spelling = spellingOf(config);

  /** Emits the tokens of a text piece by piece, so that those of a long text are never all in memory. */
  const encode = (
    text: string,
    take: (tokens: readonly string[], added?: string) => void,
  ): void => {
    for (const section of verbatim(text, true)) {
      if ("token" in section) take([section.token.content], section.written);
      else encodeText(section.text, section.first, take);
    }
  };
  const encodeText = (
    text: string,
    first: boolean,
    take: (tokens: readonly string[], added?: string) => void,
  ): void => {
    for (const section of normalized(normalize(text), first)) {
      if ("token" in section) take([section.token.content], section.written);
      else for (const piece of preTokenize(section.text, section.first)) take(encodePiece(piece));
    }
  };
  const names = new Set(added.map(({ content }) => content));
  return {
    count: (text) => {
      let count = 0;
      encode(text, (tokens) => {
        count += tokens.length;
      });
      return count;
    },
    tokens: (text) => {
      const all: string[] = [];
      encode(text, (tokens) => {
        for (const token of tokens) all.push(token);
      });
      return all;
    },
    normalize,
    encode: (text) => {
      const tokens: string[] = [];
      const written = new Map<number, string>();
      encode(text, (some, added) => {
        if (added !== undefined) written.set(tokens.length, added);
        for (const token of some) tokens.push(token);
      });
      return { tokens, ends: (spelt = text) => tokenEnds(spelt, tokens, spelling, written) };
    },
    specialTokens: countSpecialTokens(config.post_processor),
    leadingTokens: findSpecialTokens(config.post_processor, "leading"),
    trailingTokens: findSpecialTokens(config.post_processor, "trailing"),
    has: (token) => names.has(token) || Object.hasOwn(config.model.vocab, token),
  };
}

function isNormalized(token: { normalized?: boolean; special?: boolean }): boolean {
  return token.normalized ?? !token.special;
}

/** Maximum number of pieces whose tokens are remembered: most words of a dataset occur again and again. */
const REMEMBERED_PIECES = 200_000;
/** Longer pieces hardly ever occur again. */
const LONGEST_REMEMBERED = 32;

/** Encodes one piece with the model. */
function createModel(config: ModelConfig): (piece: string) => readonly string[] {
  const encode = createEncoder(config);
  const known = new Map<string, readonly string[]>();
  return (piece) => {
    if (piece.length > LONGEST_REMEMBERED) return encode(piece);
    const remembered = known.get(piece);
    if (remembered) return remembered;
    const tokens = encode(piece);
    if (known.size >= REMEMBERED_PIECES) known.clear();
    known.set(piece, tokens);
    return tokens;
  };
}

function createEncoder(config: ModelConfig): (piece: string) => readonly string[] {
  if (config.type === "WordPiece") {
    const model = new WordPiece(config);
    return (piece) => model([piece]);
  }
  if (config.type !== "BPE") throw unsupported(`the model ${config.type}`);
  if (config.dropout) throw unsupported("BPE dropout");
  if (config.continuing_subword_prefix) throw unsupported("BPE with a continuing subword prefix");
  const model = new BPE(config);
  const known = dropsUnknown(config) ? knownCharacters(config.vocab) : (piece: string) => piece;
  return (piece) => model([known(piece)]);
}

/** Without an unknown token and byte fallback, characters outside the vocabulary are dropped before merging. */
function dropsUnknown(config: ModelConfig): boolean {
  return !config.byte_fallback && (config.unk_token ?? null) === null;
}

function knownCharacters(vocab: Readonly<Record<string, number>>): (piece: string) => string {
  return (piece) => {
    let result = "";
    for (const character of piece) if (Object.hasOwn(vocab, character)) result += character;
    return result;
  };
}

/** The special tokens before a text, or after it. */
function findSpecialTokens(
  config: PostProcessorConfig | null | undefined,
  side: "leading" | "trailing",
): readonly string[] {
  switch (config?.type) {
    case "Sequence":
      return config.processors.flatMap((each) => findSpecialTokens(each, side));
    case "BertProcessing":
    case "RobertaProcessing":
      return [(side === "leading" ? config.cls : config.sep)[0]];
    case "TemplateProcessing": {
      const text = config.single.findIndex((item) => "Sequence" in item);
      const items =
        side === "leading" ? config.single.slice(0, text) : config.single.slice(text + 1);
      return items.flatMap((item) => {
        if (!("SpecialToken" in item)) return [];
        const { id } = item.SpecialToken;
        return config.special_tokens[id]?.tokens ?? [id];
      });
    }
    default:
      return [];
  }
}

function countSpecialTokens(config: PostProcessorConfig | null | undefined): number {
  switch (config?.type) {
    case undefined:
    case "ByteLevel":
      return 0;
    case "BertProcessing":
    case "RobertaProcessing":
      return 2;
    case "Sequence":
      return config.processors.reduce((sum, part) => sum + countSpecialTokens(part), 0);
    case "TemplateProcessing":
      return config.single.reduce((sum, item) => {
        if (!("SpecialToken" in item)) return sum;
        return sum + (config.special_tokens[item.SpecialToken.id]?.ids.length ?? 1);
      }, 0);
    default:
      throw unsupported(`the post-processor ${(config as { type: unknown }).type}`);
  }
}
