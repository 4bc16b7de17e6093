import {
  asyncBufferFromFile,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from "hyparquet";
import { COMPRESSORS } from "./compressors.ts";

/** The names of a .parquet file's columns. */
export async function readColumnNames(path: string): Promise<string[]> {
  const metadata = await parquetMetadataAsync(await asyncBufferFromFile(path));
  return parquetSchema(metadata).children.map(({ element }) => element.name);
}

/** Streams the rows of a .parquet file; one row group is in memory at a time. */
export async function* readParquet(path: string): AsyncGenerator<Record<string, unknown>> {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  let rowStart = 0;
  for (const { num_rows: rows } of metadata.row_groups) {
    const rowEnd = rowStart + Number(rows);
    yield* await parquetReadObjects({ file, metadata, compressors: COMPRESSORS, rowStart, rowEnd });
    rowStart = rowEnd;
  }
}
