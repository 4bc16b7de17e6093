/** Stands for a space that would not be seen. */
export const SPACE = "·";
/** Stands for the end of a line, before it. */
export const LINE_END = "↵";

export const TAB = "→";

/** White space, and characters that control a terminal, have no width, or change the direction of the text. */
const INVISIBLE =
  /[\s\p{Cc}\p{Zl}\p{Zp}\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu;

/**
 * A part of a text with everything in it visible: a space between two words stays, any other one is shown, like the ends
 * of lines, which also stay.
 */
export function showWhiteSpace(text: string, begin: number, end: number): string {
  return text.slice(begin, end).replaceAll(INVISIBLE, (character, offset: number) => {
    const place = begin + offset;
    switch (character) {
      case "\n":
        return `${LINE_END}\n`;
      case "\t":
        return TAB;
      case " ":
        return isBetweenWords(text, place) ? " " : SPACE;
      case "\u3000":
        return character;
      default:
        return `\\u{${character.codePointAt(0)!.toString(16)}}`;
    }
  });
}

function isBetweenWords(text: string, place: number): boolean {
  return /^\S \S/u.test(text.slice(Math.max(0, place - 1), place + 2)) && place > 0;
}
