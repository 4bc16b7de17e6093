/**
 * Converts a dataset with other field names to those that training reads:
 *
 *   npm run convert-data -- IN OUT.jsonl prompt=question completion=answer [limit=500] [offset=0] [--force]
 *
 * A number is a column of a file without a header: label=0 text=1. IN is not changed, and an existing file at OUT is
 * replaced only with --force.
 */

import { parseArgs } from "node:util";
import { type ConvertOptions, convertDataset } from "../sdk/dataset/convertDataset.ts";
import { ProtocolError } from "../sdk/errors.ts";

const USAGE =
  "Usage: npm run convert-data -- IN OUT.jsonl FIELD=SOURCE … [limit=N] [offset=N] [--force]";

interface Order extends ConvertOptions {
  readonly input: string;
  readonly output: string;
}

/** @throws Error with one sentence about an invalid argument. */
function readArguments(args: readonly string[]): Order {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { force: { type: "boolean", default: false } },
    allowPositionals: true,
  });
  const [input, output, ...pairs] = positionals;
  const { limit, offset, ...fields } = Object.fromEntries(pairs.map(readPair));
  if (!input || !output || Object.keys(fields).length === 0) {
    throw new Error("Name the file to read, the file to write, and at least one field.");
  }
  return {
    input,
    output,
    fields,
    force: values.force,
    ...readCount("limit", limit),
    ...readCount("offset", offset),
  };
}

function readPair(text: string): [string, string | number] {
  const [, name, value] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new Error(`"${text}" is not FIELD=SOURCE.`);
  return [name, /^\d+$/.test(value) ? Number(value) : value];
}

function readCount(name: string, value: string | number | undefined) {
  if (value === undefined) return {};
  if (typeof value === "number") return { [name]: value };
  throw new Error(`${name} is "${value}", not a whole number.`);
}

function understand(): Order {
  try {
    return readArguments(process.argv.slice(2));
  } catch (error) {
    console.error(`Error: ${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
}

const { input, output, ...options } = understand();
try {
  const { rows } = await convertDataset(input, output, options);
  console.log(`${rows} ${rows === 1 ? "row" : "rows"} written to ${output}`);
} catch (error) {
  if (!(error instanceof ProtocolError)) throw error;
  const flag = error.next && "parameter" in error.next ? ` (--${error.next.parameter})` : "";
  console.error(`Error: ${error.message}\n${error.hint}${flag}`);
  process.exitCode = error.exitCode;
}
