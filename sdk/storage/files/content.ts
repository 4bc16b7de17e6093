import { SEGMENT_BYTES, segmentLength } from "../tree/segment.ts";
import { openInput } from "./openInput.ts";
import { readFully } from "./readFully.ts";

/** Content to upload, read one segment at a time and in any order. */
export interface Content {
  /** Its source, for messages. */
  readonly path: string;
  readonly size: number;
  /**
   * Reads segment `index` into `buffer`, which has room for one segment. @returns the part of it that was filled.
   * @throws ProtocolError "integrity" if the source has changed.
   */
  read(index: number, buffer: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}

/**
 * Opens a file as content; the caller closes it.
 * @throws ProtocolError "usage" if it is missing or empty.
 */
export async function openContent(path: string): Promise<Content> {
  const { handle, size } = await openInput(path);
  return {
    path,
    size,
    async read(index, buffer) {
      const bytes = buffer.subarray(0, segmentLength(index, size));
      await readFully(handle, bytes, index * SEGMENT_BYTES, path);
      return bytes;
    },
    close: () => handle.close(),
  };
}
