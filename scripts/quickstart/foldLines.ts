const FIRST = 6;
const LAST = 5;

/** The first and the last lines of a long text, and how many are between them. */
export function foldLines(text: string): string {
  const lines = text.trimEnd().split("\n");
  const hidden = lines.length - FIRST - LAST;
  if (hidden <= 1) return lines.join("\n");
  return [...lines.slice(0, FIRST), `… ${hidden} lines …`, ...lines.slice(-LAST)].join("\n");
}
