import { printable } from "../../sdk/printable.ts";
import { displayWidth } from "./displayWidth.ts";
import { wrapWords } from "./wrapWords.ts";

/** Rows of text. If a table has a heading, it is the first row; 0G's tables draw it like any other row. */
export interface Table {
  readonly title?: string;
  /** Width of each column in characters, including two blanks of padding; a longer word widens the column. */
  readonly widths: readonly number[];
  readonly rows: readonly (readonly string[])[];
  /** Whether rows are records below a heading. Otherwise a row of two cells is a field: its name and its value. */
  readonly isList?: boolean;
}

export interface TableStyle {
  /** Boxes for people at a terminal, aligned columns for pipes. */
  readonly boxes: boolean;
  /** Width of the terminal. A wider table shrinks to its content, wraps its longest columns, or has no boxes. */
  readonly columns?: number | undefined;
}

/** Lines of a row above which records are drawn one below the other, if that is shorter. */
const TALLEST_ROW = 4;
const INDENT = "  ";
/** In place of a list without records. */
const NOTHING = "none";

/** Draws a table, without a trailing newline. Words are never split, so ids and hashes stay whole. */
export function renderTable(table: Table, { boxes, columns }: TableStyle): string {
  const rows = table.rows.map((row) => row.map((cell) => printable(cell)));
  const clean = { ...table, rows };
  const width = columns ?? Number.POSITIVE_INFINITY;
  const isEmpty = isList(table) && rows.length < 2;
  const body = isEmpty ? NOTHING : boxes ? drawForPeople(clean, width) : plain(clean);
  return table.title ? `${boxes ? INDENT : ""}${table.title}\n${body}` : body;
}

function plain({ rows, widths }: Table): string {
  const needed = widths.map((_, column) => longest(rows, column, (cell) => [cell]));
  return rows
    .map((row) => row.map((cell, column) => pad(cell, needed[column]!)).join(INDENT))
    .map((line) => line.trimEnd())
    .join("\n");
}

const isList = ({ isList, widths }: Table) => isList ?? widths.length > 2;

/** In boxes, or without if they do not fit, or if narrow columns make those of a list tall and long. */
function drawForPeople(table: Table, columns: number): string {
  const fitted = fitColumns(table, columns);
  const blocks = drawBlocks(table, columns);
  if (total(fitted) > columns) return blocks;
  const rows = table.rows.map((row) => drawRow(row, fitted));
  const boxes = drawBoxes(rows, fitted);
  const isTall = rows.some((row) => linesOf(row) > TALLEST_ROW);
  return isList(table) && isTall && linesOf(boxes) > linesOf(blocks) ? blocks : boxes;
}

const linesOf = (text: string) => text.split("\n").length;

function drawBoxes(rows: readonly string[], fitted: readonly number[]): string {
  const rule = (left: string, middle: string, right: string) =>
    left + fitted.map((width) => "─".repeat(width)).join(middle) + right;
  return [rule("┌", "┬", "┐"), rows.join(`\n${rule("├", "┼", "┤")}\n`), rule("└", "┴", "┘")].join(
    "\n",
  );
}

/** Widths of the columns: as drawn by 0G if they fit, else the content's, with the longest ones made to wrap. */
function fitColumns({ rows, widths }: Table, columns: number): number[] {
  const words = widths.map((_, column) => longest(rows, column, (cell) => cell.split(" ")) + 2);
  const drawn = total(widths) <= columns;
  const fitted = widths.map((width, column) => {
    const content = longest(rows, column, (cell) => [cell]) + 2;
    return Math.max(words[column]!, drawn ? width : Math.min(width, content));
  });
  while (total(fitted) > columns) {
    const slack = fitted.map((width, column) => width - words[column]!);
    const most = Math.max(...slack);
    if (most === 0) break; // words are never split
    fitted[slack.lastIndexOf(most)]!--;
  }
  return fitted;
}

function drawRow(row: readonly string[], widths: readonly number[]): string {
  const cells = row.map((cell, column) => wrapWords(cell, widths[column]! - 2));
  const height = Math.max(...cells.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) => {
    const texts = cells.map((lines, column) => pad(lines[line] ?? "", widths[column]! - 2));
    return `│ ${texts.join(" │ ")} │`;
  }).join("\n");
}

/** Fields one below the other: those of a table, or of each of its records. */
function drawBlocks(table: Table, columns: number): string {
  const [heading = [], ...records] = table.rows;
  if (isList(table)) {
    const blocks = records.map((row) => row.map((cell, column) => [heading[column]!, cell]));
    return blocks.map((fields) => drawFields(fields, columns)).join("\n\n");
  }
  const isNamed = heading[0] === "Field" && heading[1] === "Value";
  return drawFields(isNamed ? records : table.rows, columns);
}

/** Names beside their values; a value with a word that does not fit there is below its name. */
function drawFields(fields: readonly (readonly string[])[], columns: number): string {
  const names = Math.max(...fields.map(([name = ""]) => displayWidth(name))) + INDENT.length;
  const beside = columns - names;
  return fields
    .map(([name = "", value = ""]) => {
      const words = Math.max(...value.split(" ").map(displayWidth));
      if (words <= beside)
        return pad(name, names) + wrapWords(value, beside).join(`\n${" ".repeat(names)}`);
      const below = wrapWords(value, columns - INDENT.length);
      return [name, ...below.map((line) => `${INDENT}${line}`)].join("\n");
    })
    .map((line) => line.trimEnd())
    .join("\n");
}

function longest(
  rows: Table["rows"],
  column: number,
  parts: (cell: string) => readonly string[],
): number {
  return Math.max(0, ...rows.flatMap((row) => parts(row[column] ?? "").map(displayWidth)));
}

const pad = (text: string, width: number) =>
  text + " ".repeat(Math.max(0, width - displayWidth(text)));

const total = (widths: readonly number[]) => widths.reduce((sum, width) => sum + width + 1, 1);
