import { createReadStream } from "node:fs";
import { unreadableError } from "../../fileErrors.ts";

/** A line of a file without its "\n"; a "\r" before it is kept. */
export interface Line {
  /** From 1. */
  readonly line: number;
  readonly text: string;
  /** False for a last line without a line end. */
  readonly ended: boolean;
  /** The problem with the bytes; `text` is then not the content of the file. */
  readonly problem?: "not-utf-8" | "line-too-long";
}

/** Maximum number of bytes of a line that are kept in memory. */
export const MAX_LINE_BYTES = 16 * 1024 * 1024;

/**
 * Streams the lines of a file with constant memory use. Only "\n" ends a line: U+2028 and a lone "\r" are ordinary
 * characters in all dataset formats but CSV.
 * @throws ProtocolError "usage" if the file cannot be read.
 */
export async function* readLines(path: string): AsyncGenerator<Line> {
  let number = 0;
  let parts: Buffer[] = [];
  let length = 0;
  const take = (part: Buffer) => {
    length += part.length;
    if (length <= MAX_LINE_BYTES) parts.push(part);
  };
  const finish = (ended: boolean): Line => {
    number += 1;
    const line =
      length > MAX_LINE_BYTES
        ? { text: "", problem: "line-too-long" as const }
        : decode(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
    parts = [];
    length = 0;
    return { line: number, ended, ...line };
  };
  for await (const chunk of readChunks(path)) {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      take(chunk.subarray(from, end));
      yield finish(true);
      from = end + 1;
    }
    if (from < chunk.length) take(chunk.subarray(from));
  }
  if (length > 0) yield finish(false);
}

/** Streams the bytes of a file. */
export async function* readChunks(path: string): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(path, { highWaterMark: 1 << 18 });
  } catch (error) {
    throw unreadableError(path, error);
  }
}

const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decode(bytes: Buffer): Pick<Line, "text" | "problem"> {
  try {
    return { text: STRICT.decode(bytes) };
  } catch {
    return { text: bytes.toString(), problem: "not-utf-8" };
  }
}
