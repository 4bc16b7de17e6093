import type { FileHandle } from "node:fs/promises";
import type { Root } from "../ids.ts";
import { openInput } from "../storage/files/openInput.ts";
import { openOutput } from "../storage/files/openOutput.ts";
import { writeAtomically } from "../storage/files/publishFile.ts";
import { readFully } from "../storage/files/readFully.ts";
import { writeFully } from "../storage/files/writeFully.ts";
import { RootHasher } from "../storage/tree/RootHasher.ts";
import { SEGMENT_BYTES } from "../storage/tree/segment.ts";
import { type Geometry, geometryOf, PAGE_BYTES } from "./geometry.ts";
import { PageCipher } from "./PageCipher.ts";
import { PageTree, readDataPages } from "./PageTree.ts";
import type { ExchangeKeys } from "./segmentKey.ts";

/** The parts of a delivery that describe a sealed file, and its size in storage. */
export interface Sealed {
  /** Bytes of the plaintext. */
  readonly size: number;
  /** SHA-256 of the top page in plaintext, 0x-hex. */
  readonly contentRoot: `0x${string}`;
  /** Storage root of the encrypted file. */
  readonly root: Root;
  /** Bytes of the encrypted file. */
  readonly encryptedSize: number;
}

export interface SealFileParameters extends ExchangeKeys {
  readonly signal?: AbortSignal;
}

/**
 * Encrypts a file into the container of the exchange. The same input gives the same bytes, so a provider can repeat it
 * after a crash. Memory use does not depend on the size of the file.
 * @throws ProtocolError "usage" if a path is not usable, "integrity" if the file shrinks meanwhile; the signal's reason
 * if aborted.
 * @example
 * const keys = { taskId: id, u, s: randomBytes(32) };
 * const { root, contentRoot } = await sealFile("archive.zip", "model.encrypted", keys);
 */
export async function sealFile(
  plainPath: string,
  encryptedPath: string,
  { signal, ...keys }: SealFileParameters,
): Promise<Sealed> {
  const { handle: plain, size } = await openInput(plainPath);
  try {
    const geometry = geometryOf(size);
    const cipher = new PageCipher(keys);
    const hasher = new RootHasher();
    const contentRoot = await writeAtomically(encryptedPath, async (temporary) => {
      const encrypted = await openOutput(temporary);
      try {
        const write = (page: number, clear: Buffer) => {
          const bytes = cipher.apply(page, clear);
          return writeFully(encrypted, bytes, page * PAGE_BYTES).then(() => bytes);
        };
        const tree = new PageTree(geometry, async (page, clear) => void (await write(page, clear)));
        for await (const [first, clear] of readDataPages(plain, plainPath, geometry, signal)) {
          hasher.update(await write(first, clear));
          await tree.add(clear);
        }
        const top = await tree.finish();
        await hashRest(encrypted, temporary, geometry, hasher, signal);
        return top;
      } finally {
        await encrypted.close();
      }
    });
    const { root } = hasher.digest();
    return { size, contentRoot, root, encryptedSize: geometry.encryptedSize };
  } finally {
    await plain.close();
  }
}

/** Adds the hash pages after the data pages, which are written out of order, to the storage root. */
async function hashRest(
  encrypted: FileHandle,
  path: string,
  { levels, encryptedSize }: Geometry,
  hasher: RootHasher,
  signal?: AbortSignal,
): Promise<void> {
  let at = levels[0]!.pages * PAGE_BYTES;
  while (at < encryptedSize) {
    signal?.throwIfAborted();
    const bytes = Buffer.alloc(Math.min(SEGMENT_BYTES, encryptedSize - at));
    await readFully(encrypted, bytes, at, path);
    hasher.update(bytes);
    at += bytes.length;
  }
}
