import { createInterface } from "node:readline/promises";
import { styleText } from "node:util";
import { ProtocolError } from "../../sdk/errors.ts";
import { renderTable, type Table } from "./renderTable.ts";
import { wrapWords } from "./wrapWords.ts";

/** The output of a command: text for people on stdout, or on stderr if stdout is a JSON document. */
export interface Terminal {
  readonly json: boolean;
  /** A sentence for people. */
  say(line: string): void;
  /** A longer text for people: wrapped between words on a terminal, with an indent, and one line in a pipe. */
  paragraph(text: string): void;
  /** A table for people; with --json, the document contains the same. */
  table(table: Table): void;
  /** What is drawn for people, to fit the terminal; with --json, the document contains the same. */
  draw(drawing: (canvas: Canvas) => string): void;
  /** A sentence that is not part of the result: always on stderr. */
  note(line: string): void;
  /** The likely next command, on stderr; not for programs. */
  next(command: string, when?: string): void;
  /** A line that replaces the live line before it. Shown on a terminal only. */
  live(line: string): void;
  /** Ends the live line, so that the next output starts on a new line. */
  endLive(): void;
  /** One JSON document on stdout, on a line of its own. */
  document(value: unknown): void;
  /**
   * Asks a yes-no question; anything but yes means no.
   * @throws ProtocolError "usage" without a terminal: a command does not wait for an answer that cannot come.
   */
  confirm(question: string): Promise<boolean>;
}

/** What a drawing has to fit. */
export interface Canvas {
  /** Characters per line; undefined in a pipe. */
  readonly columns: number | undefined;
  /** Whether it shows colours, and NO_COLOR is not set. */
  readonly colors: boolean;
}

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
  let liveLine = false;
  const endLive = () => {
    if (liveLine) process.stderr.write("\n");
    liveLine = false;
  };
  const write = (stream: NodeJS.WriteStream, text: string) => {
    endLive();
    stream.write(`${text}\n`);
  };
  const output = json ? process.stderr : process.stdout;
  return {
    json,
    say: (line) => write(output, line),
    paragraph: (text) => {
      const width = output.isTTY === true ? output.columns : Number.POSITIVE_INFINITY;
      write(output, wrapWords(text, width - INDENT.length).join(`\n${INDENT}`));
    },
    table: (table) => {
      if (json) return;
      const { isTTY, columns } = process.stdout;
      write(process.stdout, renderTable(table, { boxes: isTTY === true, columns }));
    },
    draw: (drawing) => {
      if (json) return;
      const { isTTY, columns } = process.stdout;
      const colors = styleText("dim", " ", { stream: process.stdout }) !== " ";
      write(process.stdout, drawing({ columns: isTTY ? columns : undefined, colors }));
    },
    note: (line) => write(process.stderr, line),
    next: (command, when) => {
      if (!json) write(process.stderr, `Next${when ? `, ${when}` : ""}: ${command}`);
    },
    live: (line) => {
      if (process.stderr.isTTY !== true) return;
      process.stderr.write(`\r\u001b[2K${line.slice(0, process.stderr.columns - 1)}`);
      liveLine = true;
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
      const prompt = createInterface({ input: process.stdin, output: process.stderr });
      try {
        return /^y(es)?$/i.test((await prompt.question(`${question} (y/N) `)).trim());
      } finally {
        prompt.close();
      }
    },
  };
}

/** JSON with bigints as decimal strings, so that no reader loses precision. */
function toJson(value: unknown): string {
  return JSON.stringify(value, (_, item) => (typeof item === "bigint" ? item.toString() : item));
}
