import type { TokenizerDocument } from "../../../../../sdk/dataset/tokenizer/TokenizerDocument.ts";

const END = "<|im_end|>";
const START = "<|im_start|>";

/** GPT-2's characters for bytes, in the order of the bytes. */
const characters = (() => {
  let others = 0;
  const isPrintable = (byte: number) =>
    (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(isPrintable(byte) ? byte : 256 + others++),
  );
})();

/** Every byte is a token, and its id is its value; turns are written as in ChatML. */
export const BYTE_TOKENIZER: TokenizerDocument = {
  tokenizer: {
    added_tokens: [START, END].map((content, index) => ({
      ...{ id: 256 + index, content, special: true, normalized: false },
    })),
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: false },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(characters.map((character, byte) => [character, byte])),
      merges: [],
    },
  },
  tokenizerConfig: {
    eos_token: END,
    chat_template: `{% for m in messages %}{{ '${START}' + m.role + '\\n' + m.content + '${END}\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '${START}assistant\\n' }}{% endif %}`,
  },
};
