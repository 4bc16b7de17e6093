import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import { snappyUncompress } from "hyparquet";

/** Maximum size of a page, which is in memory as a whole: all values of a row group, and the lengths of the lists. */
const MAX_PAGE_BYTES = 2 ** 27;

/** The compressions of .parquet files that are supported. */
export const COMPRESSORS = {
  SNAPPY: (input: Uint8Array, size: number) => {
    const output = new Uint8Array(pageSize(size));
    snappyUncompress(input, output);
    return output;
  },
  GZIP: (input: Uint8Array, size: number) => gunzipSync(input, { maxOutputLength: pageSize(size) }),
  BROTLI: (input: Uint8Array, size: number) =>
    brotliDecompressSync(input, { maxOutputLength: pageSize(size) }),
  ZSTD: (input: Uint8Array, size: number) =>
    zstdDecompressSync(input, { maxOutputLength: pageSize(size) }),
};

function pageSize(stated: number): number {
  if (stated >= 0 && stated <= MAX_PAGE_BYTES) return stated;
  throw new Error(`a page has ${stated} bytes`);
}
