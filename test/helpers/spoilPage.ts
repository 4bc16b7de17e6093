import { open } from "node:fs/promises";
import type { Root } from "../../sdk/ids.ts";
import { rootOfFile } from "../../sdk/storage/root.ts";

/**
 * Flips one bit of a page of a sealed file, `offset` bytes into it: the stored file then no longer matches contentRoot.
 * As the cipher is a stream cipher, the decrypted page has the same bit flipped.
 * @returns the file's new root, which a cheating provider delivers.
 */
export async function spoilPage(path: string, page: number, offset = 0): Promise<Root> {
  const file = await open(path, "r+");
  try {
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, page * 4096 + offset);
    await file.write(Buffer.from([byte[0]! ^ 1]), 0, 1, page * 4096 + offset);
  } finally {
    await file.close();
  }
  return (await rootOfFile(path)).root;
}
