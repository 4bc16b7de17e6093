import { ProtocolError } from "../../errors.ts";
import { type TokenizerConfig, tokenText } from "../template/createChatTemplate.ts";

/** A model's tokenizer.json and tokenizer_config.json, as the provider serves and the catalogue hashes them. */
export interface TokenizerDocument {
  readonly tokenizer: Readonly<Record<string, unknown>>;
  readonly tokenizerConfig: Readonly<Record<string, unknown>>;
}

/** The token that ends a text: a model without one cannot be trained on texts or prompts. */
export function requireEndToken(
  config: TokenizerConfig,
  counter: { has(token: string): boolean },
): string {
  const token = tokenText(config.eos_token);
  if (token !== undefined && counter.has(token)) return token;
  throw new ProtocolError(
    "usage",
    "The model's tokenizer has no end token, so it cannot be trained on texts or prompts.",
    "Choose another model, or ask the provider to repair the tokenizer files.",
  );
}

/** Creates a value, and may fail, only when the first row needs it. */
export function onFirstUse<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
