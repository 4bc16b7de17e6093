import { displayWidth } from "./displayWidth.ts";

/** A piece of a text that stays on one line if it can. */
export interface Piece {
  readonly text: string;
  /** Whether the line ends after it. */
  readonly endsLine?: boolean;
}

/** Breaks pieces into lines of at most `width` columns: between words, or else between pieces, or else within one. */
export function wrapPieces<P extends Piece>(pieces: readonly P[], width: number): P[][] {
  const lines: P[][] = [[]];
  let used = 0;
  const startLine = () => {
    lines.push([]);
    used = 0;
  };
  /** As between all words that are wrapped, the end of the line is the space. */
  const wrap = () => {
    const last = lines.at(-1)!.pop()!;
    lines.at(-1)!.push({ ...last, text: last.text.replace(/ $/, "") });
    startLine();
  };
  const put = (piece: P) => {
    const own = displayWidth(piece.text);
    if (used > 0 && used + own > width) wrap();
    lines.at(-1)!.push(piece);
    used += own;
  };
  for (const word of wordsOf(pieces)) {
    const own = word.reduce((sum, { text }) => sum + displayWidth(text), 0);
    const isNext = used > 0 && used + own > width;
    if (isNext) wrap();
    const [first, ...others] = word as [P, ...P[]];
    const start = isNext ? { ...first, text: first.text.replace(/^ /, "") } : first;
    for (const piece of [start, ...others]) for (const part of splitWide(piece, width)) put(part);
    if (word.at(-1)!.endsLine) startLine();
  }
  if (lines.length > 1 && lines.at(-1)!.length === 0) lines.pop();
  return lines;
}

/** The pieces up to each space and each end of a line. */
function wordsOf<P extends Piece>(pieces: readonly P[]): P[][] {
  const words: P[][] = [];
  let isOpen = false;
  for (const piece of pieces) {
    if (isOpen && !piece.text.startsWith(" ")) words.at(-1)!.push(piece);
    else words.push([piece]);
    isOpen = !piece.endsLine && !piece.text.endsWith(" ");
  }
  return words;
}

function splitWide<P extends Piece>(piece: P, width: number): P[] {
  if (displayWidth(piece.text) <= width) return [piece];
  const { endsLine: _, ...open } = piece;
  const parts: string[] = [""];
  for (const character of piece.text) {
    const longer = parts.at(-1)! + character;
    if (displayWidth(longer) > width) parts.push(character);
    else parts[parts.length - 1] = longer;
  }
  return parts.map((text, index) =>
    index === parts.length - 1 ? { ...piece, text } : ({ ...open, text } as P),
  );
}
