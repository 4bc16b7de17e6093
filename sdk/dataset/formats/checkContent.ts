import type { Finding } from "./Finding.ts";

/** How a file is compressed. */
export type Compression = "gzip" | "zstd" | "bzip2" | "xz";

/** An encoding that is not UTF-8; without a byte order mark, its byte order is part of the name. */
export type Utf16 = "UTF-16" | "UTF-16LE" | "UTF-16BE";

/** What a file is, by its first bytes, if it cannot be lines of text. */
export type FileContent =
  | { readonly is: "compressed"; readonly method: Compression }
  | { readonly is: "zip" | "workbook" | "parquet" | "array" }
  | { readonly is: "utf-16"; readonly encoding: Utf16 };

/** First bytes, one character for each. */
const COMPRESSIONS: Readonly<Record<Compression, string>> = {
  gzip: "\x1f\x8b",
  zstd: "\x28\xb5\x2f\xfd",
  bzip2: "BZh",
  xz: "\xfd7zXZ\x00",
};

/** What a file is, if it is no lines of text; `start` is its first 64 KiB. The trainer has the same rules. */
export function contentOf(start: Buffer): FileContent | undefined {
  const bytes = start.toString("latin1");
  for (const [method, magic] of Object.entries(COMPRESSIONS)) {
    if (bytes.startsWith(magic)) return { is: "compressed", method: method as Compression };
  }
  if (bytes.startsWith("PK\x03\x04")) return { is: bytes.includes("xl/") ? "workbook" : "zip" };
  if (bytes.startsWith("PAR1")) return { is: "parquet" };
  const encoding = utf16Of(bytes);
  if (encoding) return { is: "utf-16", encoding };
  return isArray(bytes) ? { is: "array" } : undefined;
}

/** By the byte order mark, or by a first character with one zero byte. */
function utf16Of(bytes: string): Utf16 | undefined {
  if (bytes.startsWith("\xff\xfe") || bytes.startsWith("\xfe\xff")) return "UTF-16";
  const zeros = [bytes[0], bytes[1]].map((byte) => byte === "\0");
  if (bytes.length < 2 || zeros[0] === zeros[1]) return undefined;
  return zeros[0] ? "UTF-16BE" : "UTF-16LE";
}

/** Whether a file is one JSON array, and not a list on each line. */
function isArray(bytes: string): boolean {
  const text = bytes.replace(/^\xef\xbb\xbf/, "").replace(/^[ \t\r\n]+/, "");
  if (!text.startsWith("[")) return false;
  const [first = "", ...rest] = text.split("\n");
  return rest.every((line) => /^[ \t\r]*$/.test(line)) || !isJson(first);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The rule that a file of lines breaks if it has this content. */
export function contentFinding(content: FileContent): Finding {
  switch (content.is) {
    case "compressed":
      return { rule: "compressed", message: `The file is compressed with ${content.method}.` };
    case "utf-16":
      return { rule: "not-utf-8", message: "The file is UTF-16." };
    case "array":
      return { rule: "json-array", message: "The file is a JSON array." };
    default:
      return { rule: "file-type", message: `The file is ${NAMES[content.is]}.` };
  }
}

const NAMES = { zip: "a zip archive", workbook: "an Excel workbook", parquet: "a parquet file" };
