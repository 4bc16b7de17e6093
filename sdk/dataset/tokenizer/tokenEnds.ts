import { BYTE_CHARACTERS } from "./preTokenize.ts";

const BYTE_OF = new Map(BYTE_CHARACTERS.map((character, byte) => [character, byte]));
const SPACE = 0x20;

type Bytes = readonly number[] | Uint8Array | undefined;

/** Bytes of the text that a token stands for. */
type TokenBytes = (token: string) => Bytes;

/** Tokens whose characters stand for bytes, as in GPT-2. */
export const byteLevelBytes: TokenBytes = (token) => {
  const bytes: number[] = [];
  for (const character of token) {
    const byte = BYTE_OF.get(character);
    if (byte === undefined) return undefined;
    bytes.push(byte);
  }
  return bytes;
};

const ENCODER = new TextEncoder();

/** Tokens that are text with "▁" for spaces, and <0x00> for single bytes, as in SentencePiece. */
export const spacedBytes: TokenBytes = (token) => {
  const [, hex] = /^<0x([0-9A-F]{2})>$/.exec(token) ?? [];
  return hex === undefined
    ? ENCODER.encode(token.replaceAll("▁", " "))
    : [Number.parseInt(hex, 16)];
};

/**
 * Where each token of a text ends, in UTF-16 units; a token that is part of a character ends with it. Undefined if the
 * tokens are not the text, because it was normalized or has unknown characters.
 */
export function tokenEnds(
  text: string,
  tokens: readonly string[],
  bytesOf: (token: string, index: number) => Bytes,
): number[] | undefined {
  const bytes = ENCODER.encode(text.replaceAll("▁", " "));
  const units = unitsAfterBytes(text, bytes.length);
  const ends: number[] = [];
  let at = 0;
  for (const [index, token] of tokens.entries()) {
    let own = bytesOf(token, index);
    if (!own) return undefined;
    // Some tokenizers put a space before the text.
    const isAdded = index === 0 && own[0] === SPACE && bytes[0] !== SPACE;
    if (isAdded) own = own.slice(1);
    for (const byte of own) if (bytes[at++] !== byte) return undefined;
    ends.push(at === 0 ? 0 : units[at - 1]!);
  }
  return at === bytes.length ? ends : undefined;
}

/** For each byte of the text, the end of its character in UTF-16 units. */
function unitsAfterBytes(text: string, length: number): Uint32Array {
  const units = new Uint32Array(length);
  let byte = 0;
  let unit = 0;
  for (const character of text) {
    unit += character.length;
    const size = character === "▁" ? 1 : byteLength(character.codePointAt(0)!);
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
