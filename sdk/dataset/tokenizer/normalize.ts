import { findMatches } from "./findMatches.ts";
import { type NormalizerConfig, unsupported } from "./TokenizerJson.ts";
import {
  BERT_ACCENT,
  BERT_DROPPED,
  BERT_IDEOGRAPH,
  INERT_IN_NORMALIZATION,
  WHITE_SPACE,
} from "./unicode.ts";

type Form = "NFC" | "NFD" | "NFKC" | "NFKD";

export type Normalize = (text: string) => string;

/** Creates the normalizer of a tokenizer.json, which is applied to a text before it is split into tokens. */
export function createNormalizer(config: NormalizerConfig | null | undefined): Normalize {
  if (!config) return (text) => text;
  switch (config.type) {
    case "Sequence": {
      const steps = config.normalizers.map(createNormalizer);
      return (text) => steps.reduce((result, step) => step(result), text);
    }
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD":
      return (text) => unicodeNormalize(text, config.type);
    case "Lowercase":
      return lowercase;
    case "Strip":
      return (text) => strip(text, config.strip_left, config.strip_right);
    case "Prepend":
      return (text) => (text === "" ? text : config.prepend + text);
    case "Replace": {
      const find = findMatches(config.pattern);
      return (text) => replace(text, find(text), config.content);
    }
    case "BertNormalizer":
      return bertNormalizer(config);
    default:
      throw unsupported(`the normalizer ${(config as { type: unknown }).type}`);
  }
}

function bertNormalizer(config: NormalizerConfig & { type: "BertNormalizer" }): Normalize {
  const stripAccents = config.strip_accents ?? config.lowercase;
  return (text) => {
    let result = text;
    if (config.clean_text) result = result.replace(BERT_DROPPED, "").replace(WHITE_SPACE, " ");
    if (config.handle_chinese_chars) result = result.replace(BERT_IDEOGRAPH, " $& ");
    if (stripAccents) result = unicodeNormalize(result, "NFD").replace(BERT_ACCENT, "");
    return config.lowercase ? lowercase(result) : result;
  };
}

/** Inert characters are starters that compose with nothing, so the parts between them are independent. */
function unicodeNormalize(text: string, form: Form): string {
  if (text.search(INERT_IN_NORMALIZATION) < 0) return text.normalize(form);
  let result = "";
  let from = 0;
  for (const inert of text.matchAll(INERT_IN_NORMALIZATION)) {
    result += text.slice(from, inert.index).normalize(form) + inert[0];
    from = inert.index + inert[0].length;
  }
  return result + text.slice(from).normalize(form);
}

/** The trainer's library lowercases each character independently, without a final sigma. */
function lowercase(text: string): string {
  return text.replaceAll("Σ", "σ").toLowerCase();
}

function strip(text: string, left: boolean, right: boolean): string {
  const start = left ? text.replace(/^\p{White_Space}+/u, "") : text;
  return right ? start.replace(/\p{White_Space}+$/u, "") : start;
}

function replace(text: string, matches: readonly [number, number][], content: string): string {
  let result = "";
  let from = 0;
  for (const [start, end] of matches) {
    result += text.slice(from, start) + content;
    from = end;
  }
  return result + text.slice(from);
}
