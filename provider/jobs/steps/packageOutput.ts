import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ZeroHash } from "ethers";
import { ProviderError } from "../../errors.ts";
import { listFiles, packDirectory } from "../archive.ts";
import { jobPaths, type StepFunction } from "../StepContext.ts";

/** Packs the trained model into the archive that the user will get. */
export const packageOutput: StepFunction = async ({ jobsDirectory }, { id }, signal) => {
  const paths = jobPaths(jobsDirectory, id);
  const names = await listFiles(paths.output).catch(() => []);
  if (names.length === 0) {
    throw new ProviderError(`The trainer left no output in ${paths.output}.`, {
      retryable: true,
      hint: "Look into trainer.log beside it.",
    });
  }
  const { sha256, size } = await packDirectory(paths.output, paths.archive, signal);
  return { archive: sha256, size, receiptRoot: await hashReceipt(paths.output, names) };
};

/** SHA-256 of receipt.json, what `sha256sum` prints for it; zero where the trainer wrote none. */
async function hashReceipt(directory: string, names: readonly string[]): Promise<string> {
  if (!names.includes("receipt.json")) return ZeroHash;
  const bytes = await readFile(join(directory, "receipt.json"));
  return `0x${createHash("sha256").update(bytes).digest("hex")}`;
}
