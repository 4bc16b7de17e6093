import { type Line, MAX_LINE_BYTES } from "./readLines.ts";

/** A record of a CSV file, or its problem. A blank line is a record without fields. */
export interface CsvRecord {
  /** Line on which the record starts, from 1. */
  readonly line: number;
  readonly fields: readonly string[];
  readonly problem?: "not-utf-8" | "line-too-long" | "bad-quotes";
}

/**
 * Splits lines into comma-separated records (RFC 4180), as the trainer's reader does: a quotation mark opens a quoted
 * field only at its start, and a lone "\r" also ends a record. After a problem, it continues with the next line.
 */
export async function* readCsv(lines: AsyncIterable<Line>): AsyncGenerator<CsvRecord> {
  const parser = new RecordParser();
  for await (const { line, text, ended, problem } of lines) {
    if (problem) {
      parser.reset();
      yield { line, fields: [], problem };
    } else {
      yield* parser.feed(ended ? `${text}\n` : text, line);
    }
  }
  yield* parser.end();
}

type State = "record start" | "field start" | "plain" | "quoted" | "quote in quoted";

/** Keeps state between lines, as a quoted field may span several. */
class RecordParser {
  #state: State = "record start";
  #fields: string[] = [];
  #field = "";
  #line = 0;

  reset(): void {
    this.#state = "record start";
    this.#fields = [];
    this.#field = "";
  }

  *feed(text: string, line: number): Generator<CsvRecord> {
    for (let i = 0; i < text.length; i++) {
      const character = text[i]!;
      if (this.#state === "record start") this.#line = line;
      if (this.#state !== "quoted" && (character === "\n" || character === "\r")) {
        yield this.#finish();
        if (character === "\r" && text[i + 1] === "\n") i++;
      } else if (!this.#take(character)) {
        yield this.#fail();
        return;
      }
    }
    if (this.#field.length > MAX_LINE_BYTES) yield { ...this.#fail(), problem: "line-too-long" };
  }

  *end(): Generator<CsvRecord> {
    if (this.#state === "quoted") yield this.#fail();
    else if (this.#state !== "record start") yield this.#finish();
  }

  /** Consumes a character that does not end the record. @returns false if it is not allowed here */
  #take(character: string): boolean {
    switch (this.#state) {
      case "quoted":
        if (character === '"') this.#state = "quote in quoted";
        else this.#field += character;
        return true;
      case "quote in quoted":
        if (character === ",") this.#endField();
        else if (character === '"') this.#add(character, "quoted");
        else return false;
        return true;
      case "plain":
        if (character === ",") this.#endField();
        else this.#field += character;
        return true;
      default:
        if (character === ",") this.#endField();
        else if (character === '"') this.#state = "quoted";
        else this.#add(character, "plain");
        return true;
    }
  }

  #add(character: string, next: State): void {
    this.#field += character;
    this.#state = next;
  }

  #endField(): void {
    this.#fields.push(this.#field);
    this.#field = "";
    this.#state = "field start";
  }

  #finish(): CsvRecord {
    if (this.#state !== "record start") this.#endField();
    const record = { line: this.#line, fields: this.#fields };
    this.reset();
    return record;
  }

  #fail(): CsvRecord {
    const line = this.#line;
    this.reset();
    return { line, fields: [], problem: "bad-quotes" };
  }
}
