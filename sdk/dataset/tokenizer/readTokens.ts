import { specialTokens } from "../template/createChatTemplate.ts";
import { onFirstUse, type TokenizerDocument } from "./TokenizerDocument.ts";
import type { ModelConfig, TokenizerJson } from "./TokenizerJson.ts";
import { spellingOf } from "./tokenEnds.ts";

/** A token that people can read. */
export interface ReadableToken {
  /**
   * The characters that end with the token: a character of several tokens is the text of the last one, and the others
   * have none. U+FFFD stands for bytes that are no character.
   */
  readonly text: string;
  /** Undefined if the vocabulary does not have the token. */
  readonly id: number | undefined;
  /** Whether it has a meaning of its own, such as the end of a turn. */
  readonly special: boolean;
}

export interface TokenReader {
  /** Reads consecutive tokens as spelt in the vocabulary. */
  read(tokens: readonly string[]): ReadableToken[];
  /** How the vocabulary spells a token; empty if it does not have the id. */
  spell(id: number): string;
}

const ENCODER = new TextEncoder();

/** Creates a reader of a tokenizer's tokens. */
export function createTokenReader(document: TokenizerDocument): TokenReader {
  const tokenizer = document.tokenizer as unknown as TokenizerJson;
  const { model, added_tokens: added = [] } = tokenizer;
  const { bytesOf } = spellingOf(tokenizer);
  const textOf = createTextOf(model);
  const written = new Map(added.map(({ content, id }) => [content, id]));
  const special = new Set([
    ...added.filter((token) => token.special).map(({ content }) => content),
    ...specialTokens(document.tokenizerConfig).map(([, text]) => text),
  ]);
  const byId = onFirstUse(
    () => new Map([...Object.entries(model.vocab), ...written].map(([token, id]) => [id, token])),
  );
  const idOf = (token: string) =>
    written.get(token) ?? (Object.hasOwn(model.vocab, token) ? model.vocab[token] : undefined);
  const read = (tokens: readonly string[]): ReadableToken[] => {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    const texts: string[] = [];
    const endCharacter = () => {
      const rest = decoder.decode();
      if (rest !== "") texts[texts.length - 1] += rest;
    };
    for (const [index, token] of tokens.entries()) {
      if (written.has(token) || special.has(token)) {
        endCharacter();
        texts.push(token);
        continue;
      }
      const spelt = textOf(token, index === 0 || special.has(tokens[index - 1]!));
      const bytes = bytesOf(spelt) ?? ENCODER.encode(spelt);
      texts.push(decoder.decode(Uint8Array.from(bytes), { stream: true }));
    }
    endCharacter();
    return tokens.map((token, index) => ({
      text: texts[index]!,
      id: idOf(token),
      special: special.has(token),
    }));
  };
  return { read, spell: (id) => byId().get(id) ?? "" };
}

/** What a token stands for, of models that mark where words begin or end. */
function createTextOf(model: ModelConfig): (token: string, isFirst: boolean) => string {
  if (model.type === "WordPiece") {
    const prefix = model.continuing_subword_prefix ?? "##";
    return (token, isFirst) => {
      if (token.startsWith(prefix)) return token.slice(prefix.length);
      return isFirst ? token : ` ${token}`;
    };
  }
  const suffix = model.end_of_word_suffix ?? "";
  if (suffix === "") return (token) => token;
  return (token) => (token.endsWith(suffix) ? `${token.slice(0, -suffix.length)} ` : token);
}
