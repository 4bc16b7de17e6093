import { BYTE_CHARACTERS } from "./preTokenize.ts";
import type { PreTokenizerConfig, TokenizerJson } from "./TokenizerJson.ts";

type Bytes = readonly number[] | Uint8Array | undefined;

/** How a tokenizer writes a text as tokens. */
export interface Spelling {
  /** The text with the characters that tokens stand for, as long as it. */
  readonly spell: (text: string) => string;
  /** Bytes of the spelt text that a token stands for. */
  readonly bytesOf: (token: string) => Bytes;
}

const BYTE_OF = new Map(BYTE_CHARACTERS.map((character, byte) => [character, byte]));
const ENCODER = new TextEncoder();
const SPACE = 0x20;

/** Tokens whose characters stand for bytes, as in GPT-2. */
const BYTE_LEVEL: Spelling = {
  spell: (text) => text,
  bytesOf: (token) => {
    const bytes: number[] = [];
    for (const character of token) {
      const byte = BYTE_OF.get(character);
      if (byte === undefined) return undefined;
      bytes.push(byte);
    }
    return bytes;
  },
};

/** Tokens that are text with "▁" for spaces, and <0x00> for single bytes, as in SentencePiece. */
const SPACED: Spelling = {
  spell: (text) => text.replaceAll("▁", " "),
  bytesOf: (token) => {
    const [, hex] = /^<0x([0-9A-F]{2})>$/.exec(token) ?? [];
    if (hex !== undefined) return [Number.parseInt(hex, 16)];
    return ENCODER.encode(token.replaceAll("▁", " "));
  },
};

export function spellingOf({ pre_tokenizer }: TokenizerJson): Spelling {
  return isByteLevel(pre_tokenizer) ? BYTE_LEVEL : SPACED;
}

function isByteLevel(config: PreTokenizerConfig | null | undefined): boolean {
  if (config?.type === "Sequence") return config.pretokenizers.some(isByteLevel);
  return config?.type === "ByteLevel";
}

/**
 * Where each token of a text ends, in UTF-16 units; a token that is part of a character ends with it. Undefined if the
 * tokens are another text, or have unknown characters.
 * @param written The text of added tokens, by their number, which is not spelt.
 */
export function tokenEnds(
  text: string,
  tokens: readonly string[],
  { spell, bytesOf }: Spelling,
  written: ReadonlyMap<number, string>,
): number[] | undefined {
  const simple = simpleEnds(text, tokens, written);
  if (simple) return simple;
  const spelt = spell(text);
  const bytes = ENCODER.encode(spelt);
  const units = unitsAfterBytes(spelt, bytes.length);
  const ends: number[] = [];
  let at = 0;
  for (const [index, token] of tokens.entries()) {
    const added = written.get(index);
    const own = added === undefined ? bytesOf(token) : ENCODER.encode(spell(added));
    // Some tokenizers put a space before the text.
    const isAdded = index === 0 && own?.[0] === SPACE && bytes[0] !== SPACE;
    const from = isAdded ? 1 : 0;
    if (!own || !isAt(bytes, at, own, from)) return undefined;
    at += own.length - from;
    ends.push(at === 0 ? 0 : units[at - 1]!);
  }
  return at === bytes.length ? ends : undefined;
}

/** Of ASCII, each character of a token stands for one of the text, if they are as many. */
function simpleEnds(
  text: string,
  tokens: readonly string[],
  written: ReadonlyMap<number, string>,
): number[] | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is ASCII as a whole
  if (!/^[\x00-\x7f]*$/.test(text)) return undefined;
  let end = 0;
  const ends = tokens.map((token, index) => {
    end += (written.get(index) ?? token).length;
    return end;
  });
  return end === text.length ? ends : undefined;
}

/** Whether the bytes from `at` on are those of `own` from `from` on. */
function isAt(bytes: Uint8Array, at: number, own: NonNullable<Bytes>, from: number): boolean {
  for (let place = from; place < own.length; place++) {
    if (bytes[at + place - from] !== own[place]) return false;
  }
  return true;
}

/** For each byte of the text, the end of its character in UTF-16 units. */
function unitsAfterBytes(text: string, length: number): Uint32Array {
  const units = new Uint32Array(length);
  let byte = 0;
  let unit = 0;
  for (const character of text) {
    unit += character.length;
    const size = byteLength(character.codePointAt(0)!);
    units.fill(unit, byte, byte + size);
    byte += size;
  }
  return units;
}

function byteLength(code: number): number {
  if (code < 0x80) return 1;
  if (code < 0x800) return 2;
  return code < 0x10000 ? 3 : 4;
}
