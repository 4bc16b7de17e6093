import { createHash } from "node:crypto";
import { link, mkdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ZeroHash } from "ethers";
import { ProviderError, TaskRefused } from "../../errors.ts";
import { listFiles, packDirectory } from "../archive.ts";
import { ONLY_FOR_RESUMING } from "../keptCheckpoints.ts";
import { jobPaths, type StepFunction } from "../StepContext.ts";

/** Packs the trained model into the archive that the user will get. */
export const packageOutput: StepFunction = async ({ jobsDirectory }, { id }, signal, failures) => {
  const paths = jobPaths(jobsDirectory, id);
  const names = await listFiles(paths.output).catch(() => []);
  if (names.length === 0) throw failures + 1 < MOST_LOOKS ? nothing(paths.output) : gone();
  await addCheckpoints(paths);
  const { sha256, size } = await packDirectory(paths.output, paths.archive, signal);
  return { archive: sha256, size, receiptRoot: await hashReceipt(paths.output, names) };
};

/** Looks at the output before a task whose model is gone is given up: a file system may come back. */
const MOST_LOOKS = 10;

function nothing(directory: string): ProviderError {
  return new ProviderError(`The trainer left no output in ${directory}.`, {
    retryable: true,
    hint: "Look into trainer.log beside it, or restore the directory.",
  });
}

/** To fail costs nothing, to be late a part of the bond. */
function gone(): TaskRefused {
  return new TaskRefused(
    "TrainingError",
    "The trained model is no longer on the provider's disk.",
    "Order again, or choose another provider; the fee has gone back.",
  );
}

/**
 * Puts the weights of the kept checkpoints beside the model, all but those of the last, which the model has. Links cost no space; the
 * receipt is written before and speaks of the model alone.
 */
async function addCheckpoints({ checkpoints, output }: ReturnType<typeof jobPaths>): Promise<void> {
  const names = await listFiles(checkpoints).catch(() => []);
  const kept = names.filter(
    (name) => STEP.test(name) && !ONLY_FOR_RESUMING.includes(basename(name)),
  );
  const last = Math.max(...kept.map(stepOf));
  for (const name of kept.filter((each) => stepOf(each) !== last)) {
    const target = join(output, "checkpoints", name);
    await mkdir(dirname(target), { recursive: true });
    await link(join(checkpoints, name), target).catch((error) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
}

const STEP = /^step-(\d+)\//;
const stepOf = (name: string) => Number(STEP.exec(name)![1]);

/** SHA-256 of receipt.json, what `sha256sum` prints for it; zero where the trainer wrote none. */
async function hashReceipt(directory: string, names: readonly string[]): Promise<string> {
  if (!names.includes("receipt.json")) return ZeroHash;
  const bytes = await readFile(join(directory, "receipt.json"));
  return `0x${createHash("sha256").update(bytes).digest("hex")}`;
}
