/** A tokenizer with one token for each word: counts that a person can check. */
export const WORD_TOKENIZER = {
  pre_tokenizer: { type: "WhitespaceSplit" },
  model: {
    type: "WordPiece",
    unk_token: "<unk>",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: { "<unk>": 0 },
  },
};
