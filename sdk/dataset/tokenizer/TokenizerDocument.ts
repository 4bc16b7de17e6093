import { ProtocolError } from "../../errors.ts";
import { type TokenizerConfig, tokenText } from "./renderChat.ts";

/** A model's tokenizer.json and tokenizer_config.json, as the provider serves and the catalogue hashes them. */
export interface TokenizerDocument {
  readonly tokenizer: Readonly<Record<string, unknown>>;
  readonly tokenizerConfig: Readonly<Record<string, unknown>>;
}

/** Requires the token that ends a text: a model without one cannot be trained on texts or prompts. */
export function endTokens(config: TokenizerConfig, counter: { has(token: string): boolean }): 1 {
  const token = tokenText(config.eos_token);
  if (token !== undefined && counter.has(token)) return 1;
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
