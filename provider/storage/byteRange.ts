import { StorageError } from "./StorageError.ts";

/** Bytes `start` to `end`, both inclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The part of `size` bytes that a Range header requests (RFC 9110, 14.2); null for the whole file: no header, another
 * unit, several ranges, or a malformed header.
 * @throws StorageError 416 if it is out of range.
 */
export function parseByteRange(header: string | undefined, size: number): ByteRange | null {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return null;
  const [first, last] = [match[1]!, match[2]!];
  const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (first !== "" && last !== "" && Number(last) < Number(first)) return null;
  if (start >= size) {
    throw new StorageError(
      416,
      "range-outside",
      `The range ${header} is outside of ${size} bytes.`,
      `Request bytes within 0-${size - 1}.`,
    );
  }
  return { start, end };
}
