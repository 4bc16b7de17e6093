/** Characters that end a line, steer a terminal, or turn the direction of what follows. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

/** A stranger's text in one line of at most `maxLength` characters, without what could rewrite a terminal. */
export function printable(text: string, maxLength?: number): string {
  return text.slice(0, maxLength).toWellFormed().replaceAll(UNPRINTABLE, " ");
}
