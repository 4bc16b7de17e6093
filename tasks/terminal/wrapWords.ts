import { stripVTControlCharacters } from "node:util";
import { displayWidth } from "./displayWidth.ts";

/**
 * Breaks a text into lines of at most `width` characters, only between words; a longer word has its own line. Colours
 * have no width.
 */
export function wrapWords(text: string, width: number): string[] {
  const lines: string[] = [];
  let current = "";
  for (const word of text.split(" ")) {
    const extended = current === "" ? word : `${current} ${word}`;
    if (displayWidth(stripVTControlCharacters(extended)) > width && current !== "") {
      lines.push(current);
      current = word;
    } else current = extended;
  }
  return [...lines, current];
}
