/** White space of Python's str.strip: Unicode's, and the four separators of ASCII. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the separators are such
export const SPACE = /[\p{White_Space}\x1c-\x1f]/u;

/** Without the characters at its start, as Python's str.lstrip; default: white space. */
export function stripStart(text: string, stripped?: string): string {
  let start = 0;
  for (const character of text) {
    if (!isStripped(character, stripped)) break;
    start += character.length;
  }
  return text.slice(start);
}

/** Without the characters at its end, as Python's str.rstrip; default: white space. */
export function stripEnd(text: string, stripped?: string): string {
  let end = text.length;
  while (end > 0) {
    const isPair = /[\udc00-\udfff]/.test(text[end - 1]!) && end > 1;
    const character = text.slice(isPair ? end - 2 : end - 1, end);
    if (!isStripped(character, stripped)) break;
    end -= character.length;
  }
  return text.slice(0, end);
}

export function strip(text: string, stripped?: string): string {
  return stripEnd(stripStart(text, stripped), stripped);
}

function isStripped(character: string, stripped: string | undefined): boolean {
  return stripped === undefined ? SPACE.test(character) : stripped.includes(character);
}
