import type { SealedFile } from "../exchange/SealedFile.ts";
import type { Root } from "../ids.ts";
import { openInput } from "../storage/files/openInput.ts";
import { readFully } from "../storage/files/readFully.ts";
import { rootOfFile } from "../storage/root.ts";
import { SEGMENT_BYTES, segmentLength } from "../storage/tree/segment.ts";

export interface SealedFileParameters {
  /** Path of an encrypted model. */
  readonly path: string;
  /** Its storage root, as delivered. */
  readonly root: Root | null;
  readonly signal?: AbortSignal | undefined;
}

/** Opens an encrypted model for proofs. @returns null, without calling `use`, if the file is another one. */
export async function withSealedFile<T>(
  { path, root, signal }: SealedFileParameters,
  use: (file: SealedFile) => Promise<T>,
): Promise<T | null> {
  const { root: found, segmentRoots, size } = await rootOfFile(path, signal);
  if (found !== root) return null;
  const { handle } = await openInput(path);
  try {
    const readSegment = async (index: number) => {
      const bytes = Buffer.alloc(segmentLength(index, size));
      await readFully(handle, bytes, index * SEGMENT_BYTES, path);
      return bytes;
    };
    return await use({ segmentRoots, readSegment });
  } finally {
    await handle.close();
  }
}
