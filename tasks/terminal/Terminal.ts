import { stripVTControlCharacters, styleText } from "node:util";
import { ProtocolError } from "../../sdk/errors.ts";
import { askLine } from "./askLine.ts";
import { displayWidth } from "./displayWidth.ts";
import { renderTable, type Table } from "./renderTable.ts";
import { wrapWords } from "./wrapWords.ts";

/** The output of a command: text for people on stdout, or on stderr if stdout is a JSON document. */
export interface Terminal {
  readonly json: boolean;
  /** A sentence for people, wrapped between words on a terminal. */
  say(line: string): void;
  /** A longer text for people: wrapped between words on a terminal, with an indent, and one line in a pipe. */
  paragraph(text: string): void;
  /** A table for people; with --json, the document contains the same. */
  table(table: Table): void;
  /** What is drawn for people, to fit the terminal; with --json, the document contains the same. */
  draw(drawing: (canvas: Canvas) => string): void;
  /** A sentence that is not part of the result: always on stderr. */
  note(line: string): void;
  /** What to do after an error, on stderr: never wrapped, since it may be a command to paste. */
  hint(line: string): void;
  /** The likely next command, on stderr; not for programs. */
  next(command: string, when?: string): void;
  /** Lines that replace the live lines before them. Shown on a terminal only. */
  live(drawing: string | ((canvas: Canvas) => readonly string[])): void;
  /** Ends the live lines, so that the next output starts on a new line. */
  endLive(): void;
  /** One JSON document on stdout, on a line of its own. */
  document(value: unknown): void;
  /**
   * Asks a yes-no question; anything but yes means no.
   * @throws ProtocolError "usage" without a terminal: a command does not wait for an answer that cannot come;
   * "declined" for Ctrl-C and Ctrl-D.
   */
  confirm(question: string): Promise<boolean>;
}

/** What a drawing has to fit. */
export interface Canvas {
  /** Characters per line; undefined in a pipe. */
  readonly columns: number | undefined;
  /** Lines; undefined in a pipe. */
  readonly rows?: number | undefined;
  /** Whether it shows colours, and NO_COLOR is not set. */
  readonly colors: boolean;
}

/** Of a terminal that does not know. */
const COLUMNS = 80;
/** Before every line of a paragraph but the first. */
const INDENT = "  ";

/** A closed pipe, as with `… | head`, is not an error; a full disk is. */
process.stdout.on("error", ({ code }: NodeJS.ErrnoException) => {
  if (code === "EPIPE") process.exit(process.exitCode);
  process.stderr.write(
    `Error: The output cannot be written (${code}): it is not complete.\nFree some space or write it elsewhere, then run the command again.\n`,
  );
  process.exit(Number(process.exitCode) || 1);
});
process.stderr.on("error", () => undefined);

export function createTerminal({ json }: { json: boolean }): Terminal {
  let liveLines = 0;
  const endLive = () => {
    if (liveLines > 0) process.stderr.write("\n");
    liveLines = 0;
  };
  const write = (stream: NodeJS.WriteStream, text: string) => {
    endLive();
    stream.write(`${text}\n`);
  };
  const writeWrapped = (stream: NodeJS.WriteStream, text: string) => {
    const width = columnsOf(stream) ?? Number.POSITIVE_INFINITY;
    const lines = text.split("\n").flatMap((line) => wrapWords(line, width));
    write(stream, lines.join("\n"));
  };
  const output = json ? process.stderr : process.stdout;
  return {
    json,
    say: (line) => writeWrapped(output, line),
    paragraph: (text) => {
      const width = columnsOf(output) ?? Number.POSITIVE_INFINITY;
      write(output, wrapWords(text, width - INDENT.length).join(`\n${INDENT}`));
    },
    table: (table) => {
      if (json) return;
      const boxes = process.stdout.isTTY === true;
      write(process.stdout, renderTable(table, { boxes, columns: columnsOf(process.stdout) }));
    },
    draw: (drawing) => {
      if (json) return;
      write(process.stdout, drawing(canvasOf(process.stdout)));
    },
    note: (line) => writeWrapped(process.stderr, line),
    hint: (line) => write(process.stderr, line),
    next: (command, when) => {
      if (!json) write(process.stderr, `Next${when ? `, ${when}` : ""}: ${command}`);
    },
    live: (drawing) => {
      if (process.stderr.isTTY !== true) return;
      const canvas = canvasOf(process.stderr);
      const lines = typeof drawing === "string" ? [drawing] : drawing(canvas);
      const up = liveLines > 1 ? `\u001b[${liveLines - 1}A` : "";
      const fitted = lines.map((line) => cutLine(line, (canvas.columns ?? COLUMNS) - 1));
      process.stderr.write(`\r${up}\u001b[J${fitted.join("\n")}`);
      liveLines = fitted.length;
    },
    endLive,
    document: (value) => write(process.stdout, toJson(value)),
    confirm: async (question) => {
      if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) {
        throw new ProtocolError(
          "usage",
          `${question} There is no terminal to answer on.`,
          "Run the command again with --yes to agree in advance.",
        );
      }
      endLive();
      return /^y(es)?$/i.test((await askLine(`${question} (y/N) `)).trim());
    },
  };
}

function canvasOf(stream: NodeJS.WriteStream): Canvas {
  const colors = styleText("dim", " ", { stream }) !== " ";
  return { columns: columnsOf(stream), rows: stream.isTTY ? stream.rows : undefined, colors };
}

/** Characters per line; undefined in a pipe, and for a terminal that does not know. */
const columnsOf = ({ isTTY, columns }: NodeJS.WriteStream): number | undefined =>
  isTTY && columns > 0 ? columns : undefined;

/** Cuts a line to a number of columns; what has colours has been fitted by its drawing. */
function cutLine(line: string, columns: number): string {
  if (stripVTControlCharacters(line) !== line || displayWidth(line) <= columns) return line;
  return line.slice(0, columns);
}

/** JSON with bigints as decimal strings, so that no reader loses precision. */
function toJson(value: unknown): string {
  return JSON.stringify(value, (_, item) => (typeof item === "bigint" ? item.toString() : item));
}
