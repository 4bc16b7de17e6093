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

export interface TokenCounter {
  /** Tokens of a text without the tokenizer's special tokens. */
  count(text: string): number;
  /** How many special tokens the tokenizer puts around one text. */
  readonly specialTokens: number;
  /** Whether the vocabulary has this token. */
  has(token: string): boolean;
}

/**
 * Counts tokens exactly as the trainer's library does, for the parts of the tokenizer.json format for which that has
 * been shown.
 * @throws ProtocolError "usage" for any other part.
 */
export function createTokenCounter(config: TokenizerJson): TokenCounter {
  const normalize = createNormalizer(config.normalizer);
  const preTokenize = createPreTokenizer(config.pre_tokenizer);
  const countPiece = createModel(config.model);
  const added = config.added_tokens ?? [];
  const verbatim = splitAddedTokens(
    added.filter((token) => !isNormalized(token)),
    (content) => content,
  );
  const normalized = splitAddedTokens(added.filter(isNormalized), normalize);

  const countText = (text: string, first: boolean): number => {
    let tokens = 0;
    for (const section of normalized(normalize(text), first)) {
      if ("token" in section) tokens += 1;
      else
        for (const piece of preTokenize(section.text, section.first)) tokens += countPiece(piece);
    }
    return tokens;
  };
  const names = new Set(added.map(({ content }) => content));
  return {
    count: (text) =>
      verbatim(text, true).reduce(
        (sum, section) => sum + ("token" in section ? 1 : countText(section.text, section.first)),
        0,
      ),
    specialTokens: countSpecialTokens(config.post_processor),
    has: (token) => names.has(token) || Object.hasOwn(config.model.vocab, token),
  };
}

function isNormalized(token: { normalized?: boolean; special?: boolean }): boolean {
  return token.normalized ?? !token.special;
}

/** How many tokens the model makes of one piece. */
function createModel(config: ModelConfig): (piece: string) => number {
  if (config.type === "WordPiece") {
    const model = new WordPiece(config);
    return (piece) => model([piece]).length;
  }
  if (config.type !== "BPE") throw unsupported(`the model ${config.type}`);
  if (config.dropout) throw unsupported("BPE dropout");
  if (config.continuing_subword_prefix) throw unsupported("BPE with a continuing subword prefix");
  const model = new BPE(config);
  const known = dropsUnknown(config) ? knownCharacters(config.vocab) : (piece: string) => piece;
  return (piece) => model([known(piece)]).length;
}

/** Without an unknown token and byte fallback, characters outside the vocabulary vanish before merging. */
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
