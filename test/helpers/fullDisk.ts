import { type FileHandle, open } from "node:fs/promises";

/**
 * A stub for a full disk: after so many bytes every write of this process fails with ENOSPC, until disposed. A real one
 * would need a separate file system, and the rights to mount it.
 */
export async function fullDisk(bytes: number): Promise<Disposable> {
  const probe = await open(import.meta.filename);
  const prototype = Object.getPrototypeOf(probe) as FileHandle;
  await probe.close();
  const { write } = prototype;
  let room = bytes;
  prototype.write = async function (this: FileHandle, ...args: unknown[]) {
    const [chunk, , length = (chunk as Uint8Array).length] = args as [unknown, unknown, number?];
    if (room < length) {
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    }
    room -= length;
    return Reflect.apply(write, this, args);
  } as FileHandle["write"];
  return {
    [Symbol.dispose]() {
      prototype.write = write;
    },
  };
}
