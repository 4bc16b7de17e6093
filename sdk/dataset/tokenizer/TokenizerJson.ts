import { ProtocolError } from "../../errors.ts";

/** The parts of a tokenizer.json that determine how many tokens a text has. */
export interface TokenizerJson {
  readonly added_tokens?: readonly AddedToken[];
  readonly normalizer?: NormalizerConfig | null;
  readonly pre_tokenizer?: PreTokenizerConfig | null;
  readonly post_processor?: PostProcessorConfig | null;
  readonly model: ModelConfig;
}

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly single_word?: boolean;
  readonly lstrip?: boolean;
  readonly rstrip?: boolean;
  readonly normalized?: boolean;
  readonly special?: boolean;
}

export type PatternConfig = { readonly Regex: string } | { readonly String: string };

export type NormalizerConfig =
  | { readonly type: "Sequence"; readonly normalizers: readonly NormalizerConfig[] }
  | { readonly type: "NFC" | "NFD" | "NFKC" | "NFKD" }
  | { readonly type: "Lowercase" }
  | { readonly type: "Strip"; readonly strip_left: boolean; readonly strip_right: boolean }
  | { readonly type: "Prepend"; readonly prepend: string }
  | { readonly type: "Replace"; readonly pattern: PatternConfig; readonly content: string }
  | {
      readonly type: "BertNormalizer";
      readonly clean_text: boolean;
      readonly handle_chinese_chars: boolean;
      /** Null means the value of `lowercase`. */
      readonly strip_accents: boolean | null;
      readonly lowercase: boolean;
    };

export type SplitBehavior =
  | "Removed"
  | "Isolated"
  | "MergedWithPrevious"
  | "MergedWithNext"
  | "Contiguous";

export type PreTokenizerConfig =
  | { readonly type: "Sequence"; readonly pretokenizers: readonly PreTokenizerConfig[] }
  | { readonly type: "BertPreTokenizer" | "Whitespace" | "WhitespaceSplit" }
  | { readonly type: "ByteLevel"; readonly add_prefix_space: boolean; readonly use_regex?: boolean }
  | {
      readonly type: "Split";
      readonly pattern: PatternConfig;
      readonly behavior: SplitBehavior;
      readonly invert: boolean;
    }
  | { readonly type: "Punctuation"; readonly behavior?: SplitBehavior }
  | { readonly type: "Digits"; readonly individual_digits: boolean }
  | {
      readonly type: "Metaspace";
      readonly replacement: string;
      readonly prepend_scheme?: "always" | "first" | "never";
      readonly split?: boolean;
    };

export type PostProcessorConfig =
  | { readonly type: "Sequence"; readonly processors: readonly PostProcessorConfig[] }
  | { readonly type: "ByteLevel" }
  | {
      readonly type: "BertProcessing" | "RobertaProcessing";
      readonly cls: readonly [string, number];
      readonly sep: readonly [string, number];
    }
  | {
      readonly type: "TemplateProcessing";
      readonly single: readonly ({ SpecialToken: { id: string } } | { Sequence: { id: string } })[];
      readonly special_tokens: Readonly<
        Record<string, { readonly ids: readonly number[]; readonly tokens?: readonly string[] }>
      >;
    };

export interface ModelConfig {
  readonly type: string;
  readonly vocab: Readonly<Record<string, number>>;
  readonly unk_token?: string | null;
  readonly byte_fallback?: boolean;
  readonly dropout?: number | null;
  readonly continuing_subword_prefix?: string | null;
  readonly end_of_word_suffix?: string | null;
}

/**
 * The error for a feature of a tokenizer.json without exact counts: the price depends on the count, so it is not
 * estimated.
 */
export function unsupported(what: string): ProtocolError {
  return new ProtocolError(
    "usage",
    `The model's tokenizer uses ${what}, for which tokens cannot be counted exactly.`,
    "Choose another model, or a provider that charges by the byte.",
  );
}
