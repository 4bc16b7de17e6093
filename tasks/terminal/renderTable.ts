import { printable } from "../../sdk/printable.ts";
import { wrapWords } from "./wrapWords.ts";

/** Rows of text. If a table has a heading, it is the first row; 0G's tables draw it like any other row. */
export interface Table {
  readonly title?: string;
  /** Width of each column in characters, including two blanks of padding; a longer word widens the column. */
  readonly widths: readonly number[];
  readonly rows: readonly (readonly string[])[];
}

export interface TableStyle {
  /** Boxes for people at a terminal, aligned columns for pipes. */
  readonly boxes: boolean;
  /** Width of the terminal; if it is narrower than the table, columns shrink to their content, and the longest wrap. */
  readonly columns?: number | undefined;
}

/** Draws a table, without a trailing newline. Words are never split, so ids and hashes stay whole. */
export function renderTable(table: Table, style: TableStyle): string {
  const rows = table.rows.map((row) => row.map((cell) => printable(cell)));
  const body = style.boxes ? boxes({ ...table, rows }, style.columns) : plain({ ...table, rows });
  return table.title ? `${style.boxes ? "  " : ""}${table.title}\n${body}` : body;
}

function plain({ rows, widths }: Table): string {
  const needed = widths.map((_, column) => longest(rows, column, (cell) => [cell]));
  return rows
    .map((row) => row.map((cell, column) => cell.padEnd(needed[column]!)).join("  "))
    .map((line) => line.trimEnd())
    .join("\n");
}

function boxes({ rows, widths }: Table, columns: number | undefined): string {
  const words = widths.map((_, column) => longest(rows, column, (cell) => cell.split(" ")) + 2);
  const drawn = total(widths) <= (columns ?? Number.POSITIVE_INFINITY);
  const fitted = widths.map((width, column) => {
    const content = longest(rows, column, (cell) => [cell]) + 2;
    return Math.max(words[column]!, drawn ? width : Math.min(width, content));
  });
  while (total(fitted) > (columns ?? Number.POSITIVE_INFINITY)) {
    const slack = fitted.map((width, column) => width - words[column]!);
    const most = Math.max(...slack);
    if (most === 0) break; // words are never split
    fitted[slack.lastIndexOf(most)]!--;
  }
  const rule = (left: string, middle: string, right: string) =>
    left + fitted.map((width) => "─".repeat(width)).join(middle) + right;
  const drawnRows = rows.map((row) => drawRow(row, fitted));
  return [
    rule("┌", "┬", "┐"),
    drawnRows.join(`\n${rule("├", "┼", "┤")}\n`),
    rule("└", "┴", "┘"),
  ].join("\n");
}

function drawRow(row: readonly string[], widths: readonly number[]): string {
  const cells = row.map((cell, column) => wrapWords(cell, widths[column]! - 2));
  const height = Math.max(...cells.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) => {
    const texts = cells.map((lines, column) => (lines[line] ?? "").padEnd(widths[column]! - 2));
    return `│ ${texts.join(" │ ")} │`;
  }).join("\n");
}

function longest(
  rows: Table["rows"],
  column: number,
  parts: (cell: string) => readonly string[],
): number {
  return Math.max(0, ...rows.flatMap((row) => parts(row[column] ?? "").map((part) => part.length)));
}

const total = (widths: readonly number[]) => widths.reduce((sum, width) => sum + width + 1, 1);
