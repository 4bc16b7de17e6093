import type { Conversion, ForeignFile } from "../../ForeignFile.ts";
import { contentOf } from "../formats/checkContent.ts";
import type { DatasetKind } from "../formats/DatasetRow.ts";
import { type DatasetFormat, FORMATS, namedFormat } from "../formats/detectFormat.ts";
import { recognizeColumns } from "../formats/recognizeColumns.ts";
import { readColumnNames } from "../tokens/readParquet.ts";
import { type JsonSample, readSample, type Sample } from "./readSample.ts";
import { fitsFormat, recognizeRow } from "./recognizeRow.ts";

/**
 * What a file is that is no dataset for a kind of model, but can become one; undefined for datasets, and for files that
 * are not recognized. `start` is its first 64 KiB.
 */
export async function recognizeForeign(
  path: string,
  start: Buffer,
  kind: DatasetKind,
): Promise<ForeignFile | undefined> {
  const content = contentOf(start);
  const named = namedFormat(path);
  switch (content?.is) {
    case "compressed":
      return kind === "image-classification"
        ? undefined
        : { what: "compressed", method: content.method };
    case "workbook":
      return { what: "workbook" };
    case "zip":
      return recognizeZip(start);
    case "utf-16":
      return { what: "utf-16", encoding: content.encoding };
    case "parquet":
      return recognizeParquet(path, named, kind);
    default:
      return kind === "image-classification"
        ? undefined
        : recognizeText(await readSample(start), named, kind);
  }
}

/** A zip archive with rows and no images, by the names in its first bytes. */
function recognizeZip(start: Buffer): ForeignFile | undefined {
  const names = entryNames(start);
  const entry = names.find((name) => /\.(jsonl?|csv|tsv|parquet)$/i.test(name));
  const hasImages = names.some((name) => /\.(jpe?g|png)$/i.test(name));
  return entry === undefined || hasImages ? undefined : { what: "zip", entry };
}

function entryNames(start: Buffer): string[] {
  const names: string[] = [];
  for (let at = start.indexOf(ENTRY); at >= 0; at = start.indexOf(ENTRY, at + 1)) {
    const name = at + NAME;
    if (name > start.length) break;
    names.push(start.toString("utf8", name, name + start.readUInt16LE(at + NAME_LENGTH)));
  }
  return names;
}

/** The header of an entry in a zip archive: its first bytes, and where the name and its length are. */
const ENTRY = Buffer.from("PK\x03\x04");
const NAME_LENGTH = 26;
const NAME = 30;

async function recognizeParquet(
  path: string,
  named: DatasetFormat | undefined,
  kind: DatasetKind,
): Promise<ForeignFile | undefined> {
  const names = await readColumnNames(path).catch((): string[] => []);
  if (names.includes("input_ids")) {
    return named === "parquet" ? undefined : { what: "misnamed", ending: "parquet" };
  }
  if (fitsFormat(names, kind)) {
    return { what: "convertible", form: "parquet", conversion: { from: "array" } };
  }
  const recognized = recognizeRow(Object.fromEntries(names.map((name) => [name, null])), kind);
  if (!recognized) return undefined;
  const { extra: _, ...conversion } = recognized;
  return { what: "convertible", form: "parquet", conversion };
}

function recognizeText(
  sample: Sample,
  named: DatasetFormat | undefined,
  kind: DatasetKind,
): ForeignFile | undefined {
  const isNamed = named === sample.form && FORMATS[kind].includes(named);
  switch (sample.form) {
    case "array":
    case "objects":
    case "jsonl":
      return recognizeJson(sample, isNamed, kind);
    case "csv":
    case "tsv":
      return recognizeTable(sample.columns, sample.form, isNamed, kind);
    default:
      return undefined;
  }
}

function recognizeJson(
  { form, row, nested }: JsonSample,
  isNamed: boolean,
  kind: DatasetKind,
): ForeignFile | undefined {
  if (nested !== undefined) return { what: "nested", key: nested };
  const { extra, ...conversion } = recognizeRow(row, kind) ?? { from: "array" };
  if (form !== "jsonl") return { what: "convertible", form, conversion };
  if (extra) return { what: "convertible", form: "extra", conversion, extra };
  if (conversion.from !== "array")
    return { what: "convertible", form: conversion.from, conversion };
  return isNamed ? undefined : { what: "misnamed", ending: "jsonl" };
}

function recognizeTable(
  names: readonly string[],
  form: "csv" | "tsv",
  isNamed: boolean,
  kind: DatasetKind,
): ForeignFile | undefined {
  const isLabelled = names.toSorted().join() === "label,text" && kind === "text-classification";
  if (isLabelled) return isNamed ? undefined : { what: "misnamed", ending: form };
  const columns = recognizeColumns(names, kind);
  if (!columns && isNamed) return undefined;
  const conversion: Conversion = { from: "columns", ...(columns && { columns }) };
  return { what: "convertible", form: columns ? "columns" : form, conversion };
}
