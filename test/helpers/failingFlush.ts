import { type FileHandle, open } from "node:fs/promises";

/**
 * A stub for a disk that loses writes: after `passing` calls of `name` one fails with EIO, and as on Linux only that
 * one. A real one would need a faulty device, and the rights to create it.
 */
export async function failingFlush(name: "sync" | "datasync", passing = 0): Promise<Disposable> {
  const probe = await open(import.meta.filename);
  const prototype = Object.getPrototypeOf(probe) as FileHandle;
  await probe.close();
  const flush = prototype[name];
  const restore = () => {
    prototype[name] = flush;
  };
  let calls = 0;
  prototype[name] = async function (this: FileHandle) {
    if (calls++ < passing) return Reflect.apply(flush, this, []);
    restore();
    const syscall = `f${name}`;
    throw Object.assign(new Error(`EIO: i/o error, ${syscall}`), { code: "EIO", syscall });
  };
  return { [Symbol.dispose]: restore };
}
