import { styleText } from "node:util";
import type { Canvas } from "./Terminal.ts";

/** A loss after a number of steps. */
interface Point {
  readonly step: number;
  readonly loss: number;
}

/** Most points that are kept of a series. */
const MAX_POINTS = 4_096;
/** Lines of a drawing without its legend, and its columns without the labels: with fewer, nothing is drawn. */
const HEIGHT = 8;
const MIN_COLUMNS = 36;
const MAX_COLUMNS = 100;
/** Lines of the terminal that are left to what is above and below a drawing. */
const OTHER_LINES = 6;
/** Columns of the losses at the left. */
const LABEL = 9;
/** A character is two dots wide and four high. */
const DOTS_WIDE = 2;
const DOTS_HIGH = 4;
/** Bits of the dots in a braille character, by column and row. */
const BITS = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;
const BRAILLE = 0x2800;
const LINE = "⠒⠒";
const MARK = "●";

/** The losses of a training run, drawn over its steps: the training loss as a line, evaluations as marks. */
export class LossCurve {
  /** Steps of the whole run; 0 if not known. */
  totalSteps = 0;
  readonly #training = new Series();
  readonly #evaluations = new Series();

  addTraining(point: Point): void {
    this.#training.add(point);
  }

  addEvaluation(point: Point): void {
    this.#evaluations.add(point);
  }

  /** Lines that fit the terminal; none if it is too small, or if there is no line to draw yet. */
  draw({ columns = 0, rows = 0, colors }: Canvas): string[] {
    const width = Math.min(columns - LABEL - 3, MAX_COLUMNS);
    const height = Math.min(HEIGHT, rows - OTHER_LINES);
    const [training, evaluations] = [this.#training.points, this.#evaluations.points];
    if (training.length < 2 || width < MIN_COLUMNS || height < 3) return [];
    const last = (points: readonly Point[]) => points.at(-1)?.step ?? 0;
    const steps = Math.max(1, this.totalSteps, last(training), last(evaluations));
    const line = byColumn(training, width * DOTS_WIDE, steps);
    const marks = byColumn(evaluations, width, steps);
    const losses = [...line.values(), ...marks.values()];
    const [lowest, highest] = [Math.min(...losses), Math.max(...losses)];
    const scale = { width, height, lowest, highest };
    const labels = new Map([
      [0, highest],
      [height - 1, lowest],
    ]);
    return [
      ...drawCells(drawLine(line, scale), placeMarks(marks, scale), colors).map(
        (drawn, row) => `${label(labels.get(row))} │${drawn}`,
      ),
      `${label(undefined)} └${legend(width, steps, marks.size > 0, colors)}`,
    ];
  }
}

interface Scale {
  /** Characters. */
  readonly width: number;
  readonly height: number;
  /** The losses at the bottom and at the top. */
  readonly lowest: number;
  readonly highest: number;
}

/** Losses by rising step, a sample of them if there are many. */
class Series {
  points: Point[] = [];
  /** Of how many points one is kept. */
  #stride = 1;
  #skipped = 0;

  /** Adds a point in place of those from the same step on: an interrupted training run repeats steps. */
  add(point: Point): void {
    if (!Number.isFinite(point.loss) || !(point.step >= 0)) return;
    while (this.points.length > 0 && this.points.at(-1)!.step >= point.step) this.points.pop();
    if (++this.#skipped < this.#stride) return;
    this.#skipped = 0;
    this.points.push(point);
    if (this.points.length <= MAX_POINTS) return;
    this.points = this.points.filter((_, index) => index % 2 === 0);
    this.#stride *= 2;
  }
}

/** The mean loss in each column that has points, from left to right. */
function byColumn(
  points: readonly Point[],
  columns: number,
  steps: number,
): ReadonlyMap<number, number> {
  const columnOf = ({ step }: Point) => Math.round((step / steps) * (columns - 1));
  return new Map(
    [...Map.groupBy(points, columnOf)].map(([column, group]) => [
      column,
      group.reduce((sum, { loss }) => sum + loss / group.length, 0),
    ]),
  );
}

/** The row of dots of a loss, from the top. */
function rowOf(loss: number, { height, lowest, highest }: Scale): number {
  const share = (highest - loss) / (highest - lowest);
  return Math.round((Number.isFinite(share) ? share : 0) * (height * DOTS_HIGH - 1));
}

/** Bits of braille characters: one dot for each column with points, joined by a line. */
function drawLine(points: ReadonlyMap<number, number>, scale: Scale): number[][] {
  const cells = Array.from({ length: scale.height }, () => Array<number>(scale.width).fill(0));
  const set = (column: number, row: number) => {
    const line = cells[Math.floor(row / DOTS_HIGH)]!;
    line[Math.floor(column / DOTS_WIDE)]! |= BITS[column % DOTS_WIDE]![row % DOTS_HIGH]!;
  };
  let from: { column: number; row: number } | null = null;
  for (const [column, loss] of points) {
    const row = rowOf(loss, scale);
    const start = from ?? { column, row };
    const length = Math.max(1, column - start.column, Math.abs(row - start.row));
    for (let part = 0; part <= length; part++) {
      const along = (a: number, b: number) => Math.round(a + ((b - a) * part) / length);
      set(along(start.column, column), along(start.row, row));
    }
    from = { column, row };
  }
  return cells;
}

/** The line of the mark in each column that has one. */
function placeMarks(points: ReadonlyMap<number, number>, scale: Scale) {
  const lineOf = (loss: number) => Math.floor(rowOf(loss, scale) / DOTS_HIGH);
  return new Map([...points].map(([column, loss]) => [column, lineOf(loss)]));
}

function drawCells(
  cells: readonly (readonly number[])[],
  marks: ReadonlyMap<number, number>,
  colors: boolean,
): string[] {
  const drawCell = (bits: number, column: number, row: number) => {
    if (marks.get(column) === row) return paint("yellow", MARK, colors);
    return bits === 0 ? " " : paint("cyan", String.fromCodePoint(BRAILLE + bits), colors);
  };
  return cells.map((line, row) =>
    line
      .map((bits, column) => drawCell(bits, column, row))
      .join("")
      .trimEnd(),
  );
}

function legend(width: number, steps: number, hasMarks: boolean, colors: boolean): string {
  const words = (painted: boolean) =>
    `${paint("cyan", LINE, painted)} training loss${hasMarks ? `  ${paint("yellow", MARK, painted)} evaluation` : ""}`;
  const end = `step ${steps}`;
  const room = width - words(false).length - end.length - 3;
  return room < 1 ? ` ${words(colors)}` : ` ${words(colors)} ${"─".repeat(room)} ${end}`;
}

function label(loss: number | undefined): string {
  const text = loss?.toPrecision(4) ?? "";
  return (text.length > LABEL ? loss!.toExponential(1) : text).padStart(LABEL);
}

const paint = (color: "cyan" | "yellow", text: string, colors: boolean) =>
  colors ? styleText(color, text, { validateStream: false }) : text;
