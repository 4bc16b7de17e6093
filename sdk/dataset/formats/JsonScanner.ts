import { MAX_LINE_BYTES } from "./readLines.ts";

/** The text of a JSON value in a file, or the problem with it; `bytes` is then empty. */
export interface JsonPiece {
  /** Line on which it starts, from 1. */
  readonly line: number;
  readonly bytes: Buffer;
  readonly problem?: "line-too-long" | "unfinished" | "after-end";
}

const CODES = [...'"\\,[]{}\n \t\r'].map((character) => character.charCodeAt(0));
const [QUOTE, BACKSLASH, COMMA, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT, NEWLINE] = CODES;
const SPACES = CODES.slice(7);

/**
 * Cuts a file into the elements of its JSON array or, if it is no array, into its JSON objects. Only quotation marks and
 * brackets are followed: whether an element is JSON is left to its reader. Memory is bounded by the longest element.
 */
export class JsonScanner {
  #place: "start" | "array" | "objects" | "end" = "start";
  #line = 1;
  #depth = 0;
  #isText = false;
  #isEscaped = false;
  /** Whether an element has begun, and the line on which it did. */
  #isInside = false;
  #from = 1;
  #parts: Buffer[] = [];
  #length = 0;
  #count = 0;

  *feed(chunk: Buffer): Generator<JsonPiece> {
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (byte === NEWLINE) this.#line += 1;
      if (this.#isText) {
        this.#followText(byte);
      } else if (!this.#isInside && !this.#begins(byte)) {
        from = at + 1;
      } else if (this.#endsArrayElement(byte)) {
        this.#keep(chunk.subarray(from, at));
        from = at + 1;
        yield* this.#endElement(byte === CLOSE_LIST);
      } else if (this.#endsObject(byte)) {
        this.#keep(chunk.subarray(from, at + 1));
        from = at + 1;
        yield this.#cut();
      }
    }
    if (this.#isInside) this.#keep(chunk.subarray(from));
  }

  /** What is wrong at the end of the file, if anything is. */
  *end(): Generator<JsonPiece> {
    if (!this.#isInside && this.#place !== "array") return;
    const problem = this.#place === "end" ? "after-end" : "unfinished";
    yield { line: this.#isInside ? this.#from : this.#line, bytes: Buffer.alloc(0), problem };
  }

  #followText(byte: number): void {
    if (this.#isEscaped) this.#isEscaped = false;
    else if (byte === BACKSLASH) this.#isEscaped = true;
    else if (byte === QUOTE) this.#isText = false;
  }

  /** Whether an element begins with this byte: neither white space nor the bracket of the array. */
  #begins(byte: number): boolean {
    if (SPACES.includes(byte)) return false;
    if (this.#place === "start") {
      this.#place = byte === OPEN_LIST ? "array" : "objects";
      if (byte === OPEN_LIST) return false;
    }
    this.#isInside = true;
    this.#from = this.#line;
    return true;
  }

  #endsArrayElement(byte: number): boolean {
    return this.#place === "array" && this.#depth === 0 && (byte === COMMA || byte === CLOSE_LIST);
  }

  /** Follows the brackets. */
  #endsObject(byte: number): boolean {
    if (byte === QUOTE) this.#isText = true;
    if (byte === OPEN_OBJECT || byte === OPEN_LIST) this.#depth += 1;
    if (byte !== CLOSE_OBJECT && byte !== CLOSE_LIST) return false;
    this.#depth -= 1;
    return this.#depth === 0 && this.#place === "objects";
  }

  /** An empty array has no element; elsewhere an empty element is one that is missing. */
  *#endElement(isLast: boolean): Generator<JsonPiece> {
    if (isLast) this.#place = "end";
    const isEmptyArray = isLast && this.#count === 0 && this.#length === 0;
    if (isEmptyArray) this.#isInside = false;
    else yield this.#cut();
  }

  #keep(part: Buffer): void {
    this.#length += part.length;
    if (this.#length <= MAX_LINE_BYTES) this.#parts.push(part);
  }

  #cut(): JsonPiece {
    const isLong = this.#length > MAX_LINE_BYTES;
    const piece = { line: this.#from, bytes: Buffer.concat(isLong ? [] : this.#parts) };
    this.#parts = [];
    this.#length = 0;
    this.#isInside = false;
    this.#count += 1;
    return isLong ? { ...piece, problem: "line-too-long" } : piece;
  }
}
