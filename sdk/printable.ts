/** Characters that end a line, control a terminal, or change the direction of the text after them. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

/** Untrusted text as one line of at most `maxLength` characters, without control characters. */
export function printable(text: string, maxLength?: number): string {
  return text.slice(0, maxLength).toWellFormed().replaceAll(UNPRINTABLE, " ");
}
