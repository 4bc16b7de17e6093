import { basename, dirname } from "node:path";
import { packOutput } from "../../provider/files/archive.ts";
import { listOutput } from "../../provider/files/JobOutput.ts";

/**
 * Packs a directory as the daemon packs a training run's output, into a folder with the model's name.
 * @returns SHA-256 as hex, and the size in bytes.
 */
export async function packDirectory(directory: string, targetPath: string, folder: string) {
  const files = await listOutput(dirname(directory), basename(directory), 2 ** 40);
  const entries = files.map((file) => ({
    name: file.path.slice(basename(directory).length + 1),
    file,
  }));
  return packOutput(dirname(directory), { folder, entries }, targetPath);
}
