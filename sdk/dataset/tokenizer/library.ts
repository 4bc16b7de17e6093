import * as tokenizers from "@huggingface/tokenizers";
import type { ModelConfig, PatternConfig } from "./TokenizerJson.ts";

/** A model splits pieces into tokens and, if configured, joins neighbouring unknown tokens. */
type Model = (pieces: readonly string[]) => string[];

/** The three classes that are used; the package's types do not resolve under TypeScript's "NodeNext". */
export const { BPE, WordPiece, SplitPreTokenizer } = tokenizers as unknown as {
  readonly BPE: new (config: ModelConfig) => Model;
  readonly WordPiece: new (config: ModelConfig) => Model;
  readonly SplitPreTokenizer: new (config: {
    readonly pattern: PatternConfig;
    readonly behavior: "Isolated";
    readonly invert: true;
  }) => { readonly pattern: RegExp };
};
